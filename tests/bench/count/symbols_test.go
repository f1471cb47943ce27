package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAnAddressIsInTheFunctionBeforeIt(t *testing.T) {
	list := []function{{0x100, 0x110, "a"}, {0x120, 0x130, "b"}}
	for at, want := range map[uint64]string{0xff: "", 0x100: "a", 0x10f: "a", 0x110: "", 0x120: "b", 0x12f: "b", 0x130: ""} {
		name, ok := in(list, at)
		assert.Equal(t, want, name, "%#x", at)
		assert.Equal(t, want != "", ok, "%#x", at)
	}
	at, err := addressOf(list, "b")
	assert.NoError(t, err)
	assert.Equal(t, uint64(0x120), at)
	_, err = addressOf(list, "c")
	assert.ErrorContains(t, err, "no function c")
}

func TestNamesOfTwoBuildsAreTheSame(t *testing.T) {
	assert.Equal(t, "_cgo_Cfunc_go_send", plain("_cgo_6bfa98ac1e4a_Cfunc_go_send"))
	assert.Equal(t, "esock_send", plain("esock_send"))
}
