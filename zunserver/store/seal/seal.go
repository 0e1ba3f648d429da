// Package seal encrypts the records of the store, each bound to its key.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/auth/secretfile"
)

const (
	sealKeySize = 32
	sealHeader  = "sealed:v1:"
	keyIDSize   = 8
)

// Sealer encrypts whole records. A random nonce is safe for 2^32 records under one key; a hundred writes per second reach
// that in sixteen months, and only then does the chance of a repeated nonce pass 2^-32.
// It is safe for concurrent use.
type Sealer struct {
	aead cipher.AEAD
	id   string
}

// New makes one of a key of 32 bytes; InvalidArgument for another one.
func New(key []byte) (*Sealer, error) {
	if len(key) != sealKeySize {
		return nil, fmt.Errorf("the seal key has %d bytes and needs %d: %w", len(key), sealKeySize, errdefs.ErrInvalidArgument)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("prepare the seal key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("prepare the seal key: %w", err)
	}
	sum := sha256.Sum256(key)
	return &Sealer{aead: aead, id: hex.EncodeToString(sum[:])[:keyIDSize]}, nil
}

// Seal encrypts the record that is stored at key.
func (s *Sealer) Seal(key string, plain []byte) []byte {
	head := []byte(sealHeader + s.id + ":")
	return s.aead.Seal(head, nil, plain, []byte(key))
}

// Open decrypts the record that was found at key.
func (s *Sealer) Open(key string, sealed []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, []byte(sealHeader))
	if !ok || len(rest) < keyIDSize+1 || rest[keyIDSize] != ':' {
		return nil, fmt.Errorf("the record %s is not sealed by capsulet: %w", key, errdefs.ErrDataLoss)
	}
	if id := string(rest[:keyIDSize]); id != s.id {
		return nil, fmt.Errorf("the record %s is sealed with the key %s and this server has the key %s: give it the seal key "+
			"file that wrote the records (store.sealKeyFile), or start with an empty store: %w",
			key, printable(id), s.id, errdefs.ErrFailedPrecondition)
	}
	plain, err := s.aead.Open(nil, nil, rest[keyIDSize+1:], []byte(key))
	if err != nil {
		return nil, fmt.Errorf("the record %s was damaged or moved, its seal does not fit: %w", key, errdefs.ErrDataLoss)
	}
	return plain, nil
}

// printable keeps foreign bytes out of messages.
func printable(id string) string {
	if _, err := hex.DecodeString(id); err != nil {
		return "(unreadable)"
	}
	return id
}

// LoadOrCreateKey reads the seal key, 64 hex digits, from the file at path, or makes a new one there (mode 0600). It
// refuses a file that everybody may read. Who loses the file loses the records; who copies them both can read them.
func LoadOrCreateKey(path string) ([]byte, error) {
	text, err := secretfile.LoadOrCreate(path, func() (string, error) {
		key := make([]byte, sealKeySize)
		_, err := rand.Read(key)
		return hex.EncodeToString(key), err
	})
	if err != nil {
		return nil, fmt.Errorf("get the seal key: %w", err)
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != sealKeySize {
		return nil, fmt.Errorf("the seal key file %s does not hold %d hex digits: %w", path, 2*sealKeySize, errdefs.ErrFailedPrecondition)
	}
	return key, nil
}
