// Package keystone knows callers by the tokens that an OpenStack Keystone gave them (Identity API v3).
//
//	X-Auth-Token ──► known a moment ago? ──► one question for all who ask at once ──► Keystone: GET /v3/auth/tokens
//
// What Keystone says is believed for a while, at most until the token expires; a token that it does not know is refused for ten
// seconds without asking again. Both memories are bounded, and apart, so that guesses push nobody out. When Keystone is down,
// callers are let in until what it said of them is too old, and nobody after that: 503, as keystonemiddleware does it.
//
// Decisions (2026-11-26):
//   - the service user logs in when the first token comes and whenever Keystone says 401, with the password of the file as it is
//     then: a server that starts before Keystone, or sees a password change, needs no restart;
//   - a revoked token works until the answer is too old (a minute by default); Keystone has no events for it;
//   - a token without a project (unscoped, of a domain, of the system) is refused: everything here is of a project;
//   - roles go into the identity by name, and the policy says what they mean (context_is_admin);
//   - tokens of application credentials with access rules are refused, because Keystone gives them only to services that say
//     they check the rules, and this one does not.
package keystone
