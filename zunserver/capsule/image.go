package capsule

import (
	"time"

	"github.com/google/uuid"
)

// HostImage is an image that somebody wants on one host, or that is there (zun/objects/image.py). The API writes what is asked
// for, the agent of the host brings it about and writes what became of it.
type HostImage struct {
	// UUID is [ImageUUID].
	UUID string `json:"uuid"`
	Host string `json:"host"`
	// Repo and Tag name it; Tag may be a digest.
	Repo    string `json:"repo"`
	Tag     string `json:"tag"`
	Project string `json:"project,omitempty"`
	User    string `json:"user,omitempty"`
	// Policy is the pull policy that was asked for, in Zun's words: never, always, ifnotpresent.
	Policy string `json:"policy,omitempty"`
	// AskedAt is when it was asked for last; a try that began later answers that.
	AskedAt     time.Time    `json:"askedAt,omitzero"`
	Credentials []Credential `json:"credentials,omitempty"`

	// The agent's: the image, or why it is not there. Tries counts those since AskedAt.
	ImageID   string    `json:"imageID,omitempty"`
	SizeBytes int64     `json:"sizeBytes,omitempty"`
	TriedAt   time.Time `json:"triedAt,omitzero"`
	Tries     int       `json:"tries,omitempty"`
	Failure   string    `json:"failure,omitempty"`
	// Final: it is not tried again.
	Final bool `json:"final,omitempty"`
}

// The states of an image on a host.
const (
	ImagePulling   = "pulling"
	ImageAvailable = "available"
	ImageError     = "error"
)

// Status is pulling, available or error; a pull that failed is an error while it is tried again, too.
func (i *HostImage) Status() string {
	switch {
	case i.TriedAt.Before(i.AskedAt):
		return ImagePulling
	case i.Failure != "":
		return ImageError
	default:
		return ImageAvailable
	}
}

// Due says whether the agent has to pull it, and if not, when it has to next; never, if that is zero.
func (i *HostImage) Due(now time.Time) (bool, time.Time) {
	if i.TriedAt.Before(i.AskedAt) {
		return true, now
	}
	if i.Failure == "" || i.Final {
		return false, time.Time{}
	}
	at := i.TriedAt.Add(imageRetry << min(max(i.Tries-1, 0), 5))
	return !now.Before(at), at
}

// imageRetry is the wait after a first failure; it doubles with each.
const imageRetry = 10 * time.Second

// ImageUUID is the UUID of an image on a host, by the name that the engine has for it.
func ImageUUID(host, repo, tag string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("capsulet/image/"+host+"/"+repo+"/"+tag)).String()
}

// Ref is the reference that names it for an engine.
func (i *HostImage) Ref() string { return ImageRef(i.Repo, i.Tag) }

// ImageRef puts a repository and a tag, or a digest, together.
func ImageRef(repo, tag string) string {
	for n := range tag {
		if tag[n] == ':' {
			return repo + "@" + tag
		}
	}
	return repo + ":" + tag
}

// Image is an image that a host has.
type Image struct {
	ID        string
	Tags      []string
	Digests   []string
	SizeBytes int64
}
