package zun

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// CreateFrom asks for a capsule as a document says: a template, or the manifest of a Pod, as JSON. The server understands
// it; InvalidArgument when it refuses.
func (c *Client) CreateFrom(ctx context.Context, doc json.RawMessage) (*capsule.Capsule, error) {
	var created capsule.Capsule
	err := c.call(ctx, "create a capsule", http.MethodPost, c.service.ServiceURL("capsules"), map[string]any{"template": doc}, &created,
		http.StatusOK, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return nil, err
	}
	return &created, nil
}

// Revise asks for the capsule to become what a document says: at once where that can be, else as a new revision that is taken over
// when it is healthy ([capsule.Upgrade]). inPlace refuses such a revision (InvalidArgument) but for images, whose containers are made
// again where they are.
func (c *Client) Revise(ctx context.Context, uuid string, doc json.RawMessage, inPlace bool) (*capsule.Capsule, error) {
	var revised capsule.Capsule
	url := c.capsuleURL(uuid)
	if inPlace {
		url += "?upgrade=false"
	}
	err := c.call(ctx, "update capsule "+uuid, http.MethodPatch, url, map[string]any{"template": doc}, &revised,
		http.StatusOK, http.StatusAccepted)
	if err != nil {
		return nil, err
	}
	return &revised, nil
}
