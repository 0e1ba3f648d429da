package docker

import (
	"fmt"

	"github.com/capsulet/capsulet/zunserver/runtime/docker/classes"
)

// fail says what was attempted and gives the error of the Docker client its class.
func fail(err error, format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), classes.Of(err))
}
