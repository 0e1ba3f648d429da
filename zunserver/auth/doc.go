// Package auth answers two questions of the API: who is calling, and may they do this.
//
//	request ──► Authenticator ──► Identity ──► Allowed(action, identity, owner's project) ──► yes or no
//
// An [Authenticator] knows callers by what their request carries. [Tokens] knows static tokens: the administrator's, which
// [LoadOrCreateToken] generates, and others that the configuration names. What an identity may do is one table ([rules]) of
// action and rule, after Zun's default policies (openstack/zun: zun/common/policies/base.py, admin_or_owner, admin_api).
//
// Decisions (2026-11-20): tokens are kept and compared as SHA-256 digests, each against all, so that neither a dump of the
// process nor the time of the answer says anything of them; no error and no log line repeats what the caller sent.
package auth
