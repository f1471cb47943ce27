package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

// versionFlag is --version: the version in one line.
type versionFlag bool

// BeforeReset is called by the parser before anything is checked, as for --help.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	if _, err := fmt.Fprintln(app.Stdout, "esock", readVersions().Esock); err != nil {
		return err
	}
	app.Exit(exitOK)
	return nil
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
	return out.writePairs(v.pairs())
}

func (v versions) pairs() [][2]string {
	return [][2]string{{"esock", v.Esock}, {"core", v.Core}, {"go", v.Go}, {"kernel", v.Kernel}, {"arch", v.Arch}}
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
