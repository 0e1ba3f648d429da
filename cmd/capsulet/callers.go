package main

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/capsulet/capsulet/config"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/auth/keystone"
	"github.com/capsulet/capsulet/zunserver/auth/reload"
)

// callers knows who calls the API as the configuration says: whom a listener stands for, the administrator by the token, the
// callers of the file, and Keystone's. What an operator's program does by a socket has no limit.
func callers(cfg *config.Config, log *logrus.Entry) (auth.Authenticator, error) {
	token, err := auth.LoadOrCreateToken(cfg.API.TokenFile)
	if err != nil {
		return nil, err
	}
	tokens, err := auth.NewTokens(map[string]auth.Identity{token: auth.Administrator()})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.API.TokenFile, err)
	}
	known := auth.AnyOf{tokens}
	if path := cfg.API.CallersFile; path != "" {
		file, err := reload.New(log, func() (*auth.Callers, error) { return auth.LoadCallers(path) }, path)
		if err != nil {
			return nil, fmt.Errorf("api.callersFile: %w", err)
		}
		known = append(known, auth.Current(func() auth.Authenticator { return file.Get() }))
	}
	l := cfg.API.Limits
	strangers := auth.NewBudgets(float64(l.Unknown), l.UnknownBurst)
	if cfg.API.Keystone.URL != "" {
		k, err := newKeystone(&cfg.API.Keystone, auth.NewBudgets(float64(l.Unknown), l.UnknownBurst), log)
		if err != nil {
			return nil, fmt.Errorf("api.keystone: %w", err)
		}
		known = append(known, k)
	}
	return auth.AnyOf{auth.Trusted{}, auth.Limited(known, auth.NewBudgets(float64(l.PerIdentity), l.PerIdentityBurst), strangers)}, nil
}

func newKeystone(k *config.Keystone, questions *auth.Budgets, log *logrus.Entry) (*keystone.Keystone, error) {
	ttl, err := time.ParseDuration(k.CacheTTL)
	if err != nil {
		return nil, fmt.Errorf("cacheTTL: %w", err)
	}
	if k.Clear() {
		log.WithField("url", k.URL).Warn("Tokens and the password of the service user go to Keystone without TLS: who is on the way can read them")
	}
	return keystone.New(keystone.Config{
		URL: k.URL, Username: k.Username, UserDomain: k.UserDomain, PasswordFile: k.PasswordFile, Project: k.Project,
		ProjectDomain: k.ProjectDomain, CAFile: k.CAFile, CacheTTL: ttl, Questions: questions, Log: log.WithField("part", "keystone"),
	})
}

// keystoneURI is where callers get tokens; empty without a Keystone.
func keystoneURI(cfg *config.Config) string {
	return cmp.Or(cfg.API.Keystone.PublicURL, cfg.API.Keystone.URL)
}

// policy is what the file says now that callers may do; nil is the default.
func policy(cfg *config.Config, log *logrus.Entry) (func() *auth.Policy, error) {
	path := cfg.API.PolicyFile
	if path == "" {
		return nil, nil
	}
	file, err := reload.New(log, func() (*auth.Policy, error) { return readPolicy(path) }, path)
	if err != nil {
		return nil, fmt.Errorf("api.policyFile: %w", err)
	}
	return file.Get, nil
}

func readPolicy(path string) (*auth.Policy, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := auth.ReadPolicy(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}
