package view

// Root is the answer of GET / (zun/api/controllers/root.py), and what of capsulet's there is besides.
type Root struct {
	Name           string              `json:"name"`
	Description    string              `json:"description"`
	Versions       []APIVersion        `json:"versions"`
	DefaultVersion APIVersion          `json:"default_version"`
	Capsulet       map[string][]string `json:"capsulet"`
}

// APIVersion is a version of the API (zun/api/controllers/versions.py).
type APIVersion struct {
	ID         string `json:"id"`
	Links      []Link `json:"links"`
	Status     string `json:"status"`
	MaxVersion string `json:"max_version"`
	MinVersion string `json:"min_version"`
}
