//go:build !linux

package needlinux

const _ int = "esock needs Linux"
