// Package auth answers two questions of the API: who is calling, and may they do this.
//
//	listener ─┬─► Trusted      a socket, or no authentication at all
//	          ├─► Tokens       the administrator's token
//	request ──┼─► Callers      tokens and client certificates of a file      ──► Under(Policy) ──► Identity
//	          └─► keystone     tokens of an OpenStack                                                │
//	              (the last three are Limited)                   Allowed(action, identity, owner's project) ──► yes or no
//
// An [Authenticator] knows callers by what their request carries; [AnyOf] asks one after the other, and lets nobody in because
// one of them cannot answer. What an identity may do is one table (actions.go) of action and rule, after Zun's default policies
// (openstack/zun: zun/common/policies), which a file in oslo.policy's form overrides ([ReadPolicy]). An identity carries the
// policy that it came in under, so that who asks [Allowed] needs nothing else.
//
// Decisions:
//   - 2026-11-20: tokens are kept and compared as SHA-256 digests, each against all, so that neither a dump of the process nor the
//     time of the answer says anything of them; no error and no log line repeats what the caller sent.
//   - 2026-11-26: the rules' syntax is parsed here (rule.go), since no Go library for it could be had; what cannot be decided
//     here (http:, other attributes of the target) is refused at start, and so are unknown actions, and rules that go in circles.
//   - 2026-11-26: who is an administrator is the policy's to say (context_is_admin: the role admin), for the file's callers and
//     for Keystone's alike; the generated token and the sockets are administrators whatever it says, but not against "!".
//   - 2026-11-26: unlike in Zun, the administrator may make privileged containers, because the node of a cluster needs them,
//     and owners may force the deletion of their capsules (capsule:delete_force).
//   - 2026-11-26: a token that is sent counts, and a client certificate only when none is: a bad token is never made good by one.
//     Whose a certificate is, the callers' file says by its common name; organizations and other fields say nothing.
//   - 2026-11-26: budgets are counted by identity where there is one, and else by address, after it is known that nobody is: a
//     neighbour who guesses keeps nobody out.
package auth
