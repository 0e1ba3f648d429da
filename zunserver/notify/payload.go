package notify

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// version is that of the payload: see the package.
const version = "1.0"

// Message is the body of a notification.
type Message struct {
	// MessageID is the same when the same event is told again.
	MessageID   string `json:"message_id"`
	EventType   string `json:"event_type"`
	PublisherID string `json:"publisher_id"`
	// Priority is INFO, or ERROR for an error (oslo.messaging's words).
	Priority  string  `json:"priority"`
	Timestamp string  `json:"timestamp"`
	Payload   Payload `json:"payload"`
}

// Payload is a versioned object.
type Payload struct {
	Name      string `json:"capsulet_object.name"`
	Namespace string `json:"capsulet_object.namespace"`
	Version   string `json:"capsulet_object.version"`
	Data      Data   `json:"capsulet_object.data"`
}

// Data is what is told of a record. After its deletion it is what was told last.
type Data struct {
	UUID         string            `json:"uuid,omitempty"`
	Name         string            `json:"name,omitempty"`
	ProjectID    string            `json:"project_id,omitempty"`
	UserID       string            `json:"user_id,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Host         string            `json:"host,omitempty"`
	Status       string            `json:"status,omitempty"`
	StatusReason string            `json:"status_reason,omitempty"`
	Addresses    []string          `json:"addresses,omitempty"`
	CreatedAt    time.Time         `json:"created_at,omitzero"`
	// Revision is that of the change; a watch of the API goes on from there.
	Revision  int64          `json:"revision"`
	Container *DataContainer `json:"container,omitempty"`
}

// DataContainer is the container that an event is about.
type DataContainer struct {
	Name       string    `json:"name"`
	UUID       string    `json:"uuid,omitempty"`
	Image      string    `json:"image,omitempty"`
	Attempt    int       `json:"attempt"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	ExitCode   *int      `json:"exit_code,omitempty"`
	OOMKilled  bool      `json:"oom_killed,omitempty"`
}

// message is what is told of an event of a record.
func message(publisher string, c *capsule.Capsule, e event, now time.Time) Message {
	d := Data{
		UUID: c.UUID, Name: c.Spec.Name, ProjectID: c.Project, UserID: c.User, Labels: c.Spec.Labels, Host: c.Claim.Host, Status: c.Status(),
		StatusReason: c.StatusReason(), Addresses: c.Facts.Sandbox.Addresses, CreatedAt: c.CreatedAt, Revision: c.Revision,
	}
	about := ""
	if r := e.run; r != nil {
		d.Container = &DataContainer{Name: e.container, Image: r.Image, Attempt: r.Attempt, StartedAt: r.StartedAt, OOMKilled: r.OOM}
		if cs, _ := c.Spec.Container(e.container); cs != nil {
			d.Container.UUID = cs.UUID
		}
		if e.what == "container_die.end" {
			d.Container.FinishedAt, d.Container.ExitCode = r.FinishedAt, &r.ExitCode
		}
		about = e.container + " " + r.ID + " " + r.StartedAt.UTC().String()
	}
	return envelope(publisher, kindOf(c)+"."+e.what, c.UUID, about, d, now)
}

func envelope(publisher, eventType, id, about string, d Data, now time.Time) Message {
	m := Message{
		MessageID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "capsulet %s %q %q %q %d", publisher, eventType, id, about, d.Revision)).String(),
		EventType: eventType, PublisherID: publisher, Priority: "INFO", Timestamp: now.UTC().Format("2006-01-02 15:04:05.000000"),
		Payload: Payload{Name: "CapsulePayload", Namespace: "capsulet", Version: version, Data: d},
	}
	if len(eventType) > 6 && eventType[len(eventType)-6:] == ".error" {
		m.Priority = "ERROR"
	}
	return m
}

func (m *Message) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode a notification: %w", err)
	}
	return b, nil
}
