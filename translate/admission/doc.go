// Package admission is what a kubelet asks before it takes a Pod, or before it resizes one: is there room, are its sysctls
// allowed. What it turns away has failed for good and under the kubelet's own reasons.
package admission
