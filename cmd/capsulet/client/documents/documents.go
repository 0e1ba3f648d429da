// Package documents reads what -f names: files, directories and the input, with one or several YAML or JSON documents in each.
package documents

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// maxBytes bounds what is read from one file.
const maxBytes = 16 << 20

// Document is one of the documents.
type Document struct {
	// Source says for people where it is from.
	Source string
	Body   []byte
}

// Files is the flag -f.
type Files []string

// Bind adds the flag.
func (f *Files) Bind(c *cobra.Command, what string) {
	c.Flags().StringArrayVarP((*[]string)(f), "file", "f", nil, what+" in YAML or JSON: a file, a directory, or - for the input; may be repeated")
	_ = c.MarkFlagRequired("file")
	_ = c.MarkFlagFilename("file", "yaml", "yml", "json")
}

// Read reads all documents, in the order of the flags and, in a directory, of the names. None at all is an error.
func (f Files) Read(stdin io.Reader) ([]Document, error) {
	var all []Document
	for _, path := range f {
		found, err := read(path, stdin)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no document in %s", strings.Join(f, ", "))
	}
	return all, nil
}

func read(path string, stdin io.Reader) ([]Document, error) {
	if path == "-" {
		return split("input", stdin)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return open(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var all []Document
	for _, e := range entries {
		if e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			continue
		}
		found, err := open(filepath.Join(path, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func open(path string) ([]Document, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return split(path, file)
}

// split cuts what r has at its lines of three dashes. Parts without content, or with comments alone, are no documents.
func split(source string, r io.Reader) ([]Document, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	if len(body) > maxBytes {
		return nil, fmt.Errorf("%s: it has more than %d MiB", source, maxBytes>>20)
	}
	var parts [][]byte
	for documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(body))); ; {
		part, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		if !blank(part) {
			parts = append(parts, part)
		}
	}
	all := make([]Document, len(parts))
	for i, part := range parts {
		all[i] = Document{Source: source, Body: part}
		if len(parts) > 1 {
			all[i].Source = fmt.Sprintf("%s, document %d", source, i+1)
		}
	}
	return all, nil
}

func blank(part []byte) bool {
	for line := range bytes.Lines(part) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && string(line) != "---" {
			return false
		}
	}
	return true
}
