// Package convert translates between the words of this project and Docker's: a container's configuration into what the engine
// is asked to make, and what the engine answers into what a host shows. It is pure; the calls are package docker's.
package convert
