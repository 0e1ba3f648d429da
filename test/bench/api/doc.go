// Package api measures the capsule API by itself: lists, creations and watches of a server with 1,000 capsules of three containers.
//
// The server is a process of its own (test/bench/fakeserver), so that its memory can be told from that of its clients. Its hosts
// are in memory; its store is etcd on a disk, sealed, as ever. It shares the processors of the machine with the clients.
package api
