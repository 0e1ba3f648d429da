package template

import "github.com/capsulet/capsulet/zunserver/capsule/template/problem"

// Error says what is wrong with a template and where. Its class is errdefs.ErrInvalidArgument.
type Error = problem.Error
