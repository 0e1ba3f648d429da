package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"
)

// listed is what is read of a capsule in an answer of the API.
type listed struct {
	UUID   string `json:"uuid"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Reason string `json:"status_reason"`
	Host   string `json:"host"`
}

// rest calls the capsule API as any client without a library would.
func (w *world) rest(ctx context.Context, method, path string, body any) ([]byte, error) {
	token, err := w.server.Token()
	if err != nil {
		return nil, err
	}
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, w.server.URL()+path, payload)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OpenStack-API-Version", "container 1.40")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, res.Status, out)
	}
	return out, nil
}

func (w *world) capsules(ctx context.Context) ([]listed, error) {
	b, err := w.rest(ctx, http.MethodGet, "/v1/capsules", nil)
	if err != nil {
		return nil, err
	}
	var answer struct{ Capsules []listed }
	if err := json.Unmarshal(b, &answer); err != nil {
		return nil, fmt.Errorf("read the capsule list: %w", err)
	}
	return answer.Capsules, nil
}

// ensureCapsule creates the example capsule unless one of its name is there, and waits until it runs.
func (w *world) ensureCapsule(ctx context.Context) error {
	template, err := os.ReadFile(filepath.Join(w.root, "examples", "capsule.yaml"))
	if err != nil {
		return err
	}
	var doc struct{ Metadata struct{ Name string } }
	if err := yaml.Unmarshal(template, &doc); err != nil {
		return fmt.Errorf("read examples/capsule.yaml: %w", err)
	}
	name := doc.Metadata.Name
	return w.step(ctx, "create the capsule "+name+" by REST from examples/capsule.yaml", 2*time.Minute, func(ctx context.Context, note func(string)) error {
		capsules, err := w.capsules(ctx)
		if err != nil {
			return err
		}
		c, found := find(capsules, func(c listed) bool { return c.Name == name })
		if !found {
			b, err := w.rest(ctx, http.MethodPost, "/v1/capsules", map[string]any{"template": string(template)})
			if err != nil {
				return err
			}
			if err := json.Unmarshal(b, &c); err != nil {
				return fmt.Errorf("read the created capsule: %w", err)
			}
		}
		return w.server.Await(ctx, "the capsule does not run", func(ctx context.Context) error {
			b, err := w.rest(ctx, http.MethodGet, "/v1/capsules/"+c.UUID, nil)
			if err != nil {
				return err
			}
			if err := json.Unmarshal(b, &c); err != nil {
				return err
			}
			note(c.Status + " " + c.Reason)
			if c.Status != "Running" {
				return fmt.Errorf("its status is %s: %s", c.Status, c.Reason)
			}
			return nil
		})
	})
}

func find(capsules []listed, is func(listed) bool) (listed, bool) {
	for _, c := range capsules {
		if is(c) {
			return c, true
		}
	}
	return listed{}, false
}
