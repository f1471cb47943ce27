package main

// A class says what about an instruction is counted.
type class struct {
	locked  bool // it locks the bus or the cache line: a LOCK prefix, or XCHG with memory
	syscall bool
	repeats bool // a string instruction with a REP prefix: stepping stops after each repetition
}

// classify looks at the first bytes of an instruction of 64-bit code (Intel SDM, volume 2, 2.1 and 2.2): prefixes of one byte in
// any order, REX just before the opcode, the opcode, and ModRM.
func classify(code []byte) class {
	var c class
	rep := false
prefixes:
	for len(code) > 0 {
		switch code[0] {
		case 0xf0:
			c.locked = true
		case 0xf2, 0xf3:
			rep = true
		case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67:
		default:
			break prefixes
		}
		code = code[1:]
	}
	if len(code) > 0 && code[0]&0xf0 == 0x40 { // REX
		code = code[1:]
	}
	if len(code) == 0 {
		return c
	}
	var next byte
	if len(code) > 1 {
		next = code[1]
	}
	switch op := code[0]; {
	case op == 0x86 || op == 0x87: // XCHG locks by itself, unless both operands are registers
		c.locked = c.locked || len(code) > 1 && next>>6 != 3
	case op == 0x0f:
		c.syscall = len(code) > 1 && next == 0x05
	case op >= 0xa4 && op <= 0xa7, op >= 0xaa && op <= 0xaf, op >= 0x6c && op <= 0x6f:
		c.repeats = rep
	}
	return c
}
