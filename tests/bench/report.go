package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// A report is everything that a run found.
type report struct {
	Machine machine  `json:"machine"`
	Quick   bool     `json:"quick,omitempty"`
	Seconds float64  `json:"seconds"`
	Results []result `json:"results"`
}

type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Arch   string `json:"arch"`
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, Linux %s, %s %s", m.CPU, m.Cores, m.Kernel, m.Go, m.Arch)
}

func thisMachine() machine {
	m := machine{CPU: "unknown processor", Cores: runtime.NumCPU(), Go: runtime.Version(), Arch: runtime.GOARCH}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		release, _, _ := strings.Cut(strings.TrimSpace(string(b)), "-") // the rest names somebody's build
		m.Kernel = release
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	return m
}

func writeJSON(file string, rep *report) error {
	b, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
