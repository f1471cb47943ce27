package main

import (
	"bufio"
	"cmp"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A function is a range of addresses.
type function struct {
	start, end uint64
	name       string
}

// A mapping is a part of a file in a process's memory: /proc/PID/maps, proc_pid_maps(5).
type mapping struct {
	start, end, offset uint64
	file               string
}

func mappings(pid int) ([]mapping, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []mapping
	for in := bufio.NewScanner(f); in.Scan(); {
		var m mapping
		var perm, dev, inode string
		n, _ := fmt.Sscanf(in.Text(), "%x-%x %s %x %s %s %s", &m.start, &m.end, &perm, &m.offset, &dev, &inode, &m.file)
		if n == 7 && strings.Contains(perm, "x") {
			list = append(list, m)
		}
	}
	return list, nil
}

// functions are those of an executable or a library, sorted, at their addresses in the file.
func functions(f *elf.File) []function {
	var list []function
	static, _ := f.Symbols()
	dynamic, _ := f.DynamicSymbols()
	for _, s := range append(static, dynamic...) {
		if typ := elf.ST_TYPE(s.Info); (typ == elf.STT_FUNC || typ == elf.STT_GNU_IFUNC) && s.Value != 0 {
			list = append(list, function{s.Value, s.Value + max(s.Size, 1), s.Name})
		}
	}
	slices.SortStableFunc(list, func(a, b function) int { return cmp.Compare(a.start, b.start) })
	return list
}

// addressOf finds a function of the driver, which is linked to fixed addresses.
func addressOf(list []function, name string) (uint64, error) {
	for _, f := range list {
		if f.name == name {
			return f.start, nil
		}
	}
	return 0, fmt.Errorf("the driver has no function %s", name)
}

// in finds the function that an address of the file is in.
func in(list []function, at uint64) (string, bool) {
	i, found := slices.BinarySearchFunc(list, at, func(f function, at uint64) int { return cmp.Compare(f.start, at) })
	if !found {
		i--
	}
	if i < 0 || at >= list[i].end {
		return "", false
	}
	return list[i].name, true
}

// symbols names the functions of a process. It reads the symbols of a file when it is first asked for one of them.
func symbols(pid int) (func(address uint64) string, error) {
	maps, err := mappings(pid)
	if err != nil {
		return nil, err
	}
	type image struct {
		loads     []elf.ProgHeader
		functions []function
	}
	images := map[string]*image{}
	return func(at uint64) string {
		i := slices.IndexFunc(maps, func(m mapping) bool { return at >= m.start && at < m.end })
		if i < 0 {
			return "unknown"
		}
		m := maps[i]
		img := images[m.file]
		if img == nil {
			img = new(image)
			images[m.file] = img
			if f, err := elf.Open(m.file); err == nil {
				for _, p := range f.Progs {
					if p.Type == elf.PT_LOAD {
						img.loads = append(img.loads, p.ProgHeader)
					}
				}
				img.functions = functions(f)
				f.Close()
			}
		}
		offset := at - m.start + m.offset
		for _, p := range img.loads {
			if offset >= p.Off && offset < p.Off+p.Filesz {
				if name, ok := in(img.functions, offset-p.Off+p.Vaddr); ok {
					return name
				}
			}
		}
		return filepath.Base(m.file) // a library without symbols, or a stub of the linker's
	}, nil
}
