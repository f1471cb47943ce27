package main

import (
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

// versions are those of what the command consists of and runs on.
type versions struct {
	Esock  string `json:"esock"`
	Core   string `json:"core"`
	Go     string `json:"go"`
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
}

func (c *versionCmd) Run(out *output) error {
	v := readVersions()
	if c.JSON {
		return out.writeJSON(v)
	}
	return writePairs(out, [][2]string{
		{"esock", v.Esock}, {"core", v.Core}, {"go", v.Go}, {"kernel", v.Kernel}, {"arch", v.Arch}})
}

func readVersions() versions {
	v := versions{Esock: moduleVersion(), Core: esock.Version(), Go: runtime.Version(), Kernel: "unknown",
		Arch: runtime.GOOS + "/" + runtime.GOARCH}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		v.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	return v
}

// moduleVersion returns the version that the command was built from; "devel" for a working copy.
func moduleVersion() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		return b.Main.Version
	}
	return "devel"
}
