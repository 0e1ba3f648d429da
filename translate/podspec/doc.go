// Package podspec reads what a Pod's specification says where Kubernetes leaves that to whoever reads it: which containers
// are of which kind, what they ask for together, how a name may be written.
package podspec
