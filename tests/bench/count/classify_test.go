package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestInstructionsAreClassified(t *testing.T) {
	for _, c := range []struct {
		text string
		code []byte
		want class
	}{
		{"mov rax, rbx", []byte{0x48, 0x89, 0xd8}, class{}},
		{"nothing to read", nil, class{}},
		{"only prefixes", []byte{0x66, 0x66}, class{}},
		{"lock cmpxchg [rcx], rdx", []byte{0xf0, 0x48, 0x0f, 0xb1, 0x11}, class{locked: true}},
		{"lock xadd [rcx], eax", []byte{0xf0, 0x0f, 0xc1, 0x01}, class{locked: true}},
		{"lock inc word [rax]", []byte{0x66, 0xf0, 0xff, 0x00}, class{locked: true}},
		{"lock after a segment", []byte{0x64, 0xf0, 0x83, 0x00, 0x01}, class{locked: true}},
		{"xchg [rbx], eax", []byte{0x87, 0x03}, class{locked: true}},
		{"xchg [rbx+8], rax", []byte{0x48, 0x87, 0x43, 0x08}, class{locked: true}},
		{"xchg [rbx], al", []byte{0x86, 0x03}, class{locked: true}},
		{"lock xchg [rbx], eax", []byte{0xf0, 0x87, 0x03}, class{locked: true}},
		{"xchg ebx, ecx", []byte{0x87, 0xcb}, class{}},
		{"xchg r8, rax", []byte{0x49, 0x90}, class{}},
		{"pause", []byte{0xf3, 0x90}, class{}},
		{"an immediate that looks like LOCK", []byte{0xb8, 0xf0, 0x87, 0x03, 0x0f}, class{}},
		{"an opcode in 0f that looks like XCHG: ja", []byte{0x0f, 0x87, 0x03, 0x00, 0x00, 0x00}, class{}},
		{"a VEX prefix, then 87", []byte{0xc5, 0x87, 0x03}, class{}},
		{"syscall", []byte{0x0f, 0x05}, class{syscall: true}},
		{"sysret is not", []byte{0x48, 0x0f, 0x07}, class{}},
		{"mfence does not lock", []byte{0x0f, 0xae, 0xf0}, class{}},
		{"rep movsb", []byte{0xf3, 0xa4}, class{repeats: true}},
		{"rep stosq", []byte{0xf3, 0x48, 0xab}, class{repeats: true}},
		{"repne scasb", []byte{0xf2, 0xae}, class{repeats: true}},
		{"movsb alone", []byte{0xa4}, class{}},
		{"movss, with f3 as part of the opcode", []byte{0xf3, 0x0f, 0x10, 0x00}, class{}},
	} {
		assert.Equal(t, c.want, classify(c.code), c.text)
	}
}
