package view

import (
	"time"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/auth"
)

// Options say for whom and how a view is made. They are comparable: alike views of alike options are the same.
type Options struct {
	// Base is the scheme and host of links.
	Base string
	// Old is the representation of capsules up to microversion 1.31.
	Old  bool
	Sees Sees
	Now  time.Time
}

// Sees says which properties are shown that the policy keeps for some, administrators as long as nobody says otherwise
// (zun/common/policies/container.py).
type Sees struct {
	// CapsuleHost is of capsules, the others are of containers.
	CapsuleHost, Host, Runtime, ImagePullPolicy, Privileged bool
}

// For are the options of an answer to a call.
func For(c *rest.Call, now time.Time) Options {
	may := func(action auth.Action) bool { return auth.Allowed(action, c.Caller, c.Caller.Project) == nil }
	return Options{
		Base: c.Base(), Old: c.Version.Before(rest.Version{Major: 1, Minor: 32}), Now: now,
		Sees: Sees{
			CapsuleHost: may("capsule:get:host"), Host: may("container:get_one:host"), Runtime: may("container:get_one:runtime"),
			ImagePullPolicy: may("container:get_one:image_pull_policy"), Privileged: may("container:get_one:privileged"),
		},
	}
}
