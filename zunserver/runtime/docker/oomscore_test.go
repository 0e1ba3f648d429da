package docker

import "testing"

func TestCapability(t *testing.T) {
	if !hasCapability([]byte("Name:\tx\nCapEff:\t000001ffffffffff\n"), capSysResource) {
		t.Error("it has the capability")
	}
	if hasCapability([]byte("CapEff:\t00000000fe7fffff\nCapBnd:\t000001ffffffffff\n"), 23) {
		t.Error("it lacks the capability")
	}
	if !hasCapability([]byte("nothing"), capSysResource) {
		t.Error("when in doubt it may")
	}
}
