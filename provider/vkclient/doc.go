// Package vkclient has what Virtual Kubelet's pod controller is given in place of plain clients: a pods client that patches a
// status and deletes only what nobody else will, and a recorder that keeps quiet about what the kubelet's events say better.
package vkclient
