// Package served is what the benchmark of the API and its server say to one another.
package served

// Image is what the hosts have.
const Image = "bench"

// Line is what the server prints when it serves.
type Line struct{ URL, Token string }
