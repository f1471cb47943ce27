package fileserver

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// errOutside reports a name that leads out of the directory.
var errOutside = errors.New("outside the directory")

// maxLinks is how many symbolic links a name may lead through, as in the kernel.
const maxLinks = 40

// basesOf returns the absolute paths of a directory: as it was named, and without symbolic links.
func basesOf(root *os.Root) (bases []string) {
	named, err := filepath.Abs(root.Name())
	if err != nil {
		return nil
	}
	bases = append(bases, named)
	if direct, err := filepath.EvalSymlinks(named); err == nil && direct != named {
		bases = append(bases, direct)
	}
	return bases
}

// stat describes the file that a name below the directory leads to, and returns the name by which the root opens it.
func (s *Server) stat(name string) (string, fs.FileInfo, error) {
	info, err := s.root.Stat(name)
	if !escapes(err) {
		return name, info, err
	}
	if name, err = s.resolve(name); err == nil {
		info, err = s.root.Stat(name)
	}
	return name, info, err
}

// escapes reports whether os.Root refused a name because a symbolic link leads out of the directory. The error has no name
// of its own, but is none of the kernel's.
func escapes(err error) bool {
	var errno syscall.Errno
	return err != nil && !errors.As(err, &errno) && !errors.Is(err, fs.ErrNotExist)
}

// resolve follows the symbolic links of a name, and returns a name without them. os.Root refuses links that are absolute, or
// leave the directory and come back. Here they are followed as text, and nothing outside the directory is looked at. The
// result is no promise: os.Root opens it, and refuses it if the directory has changed and it leads outside.
func (s *Server) resolve(name string) (string, error) {
	var at []string // the name as far as it is resolved
	todo := strings.Split(name, "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch {
		case part == "" || part == ".":
			continue
		case part == ".." && len(at) > 0:
			at = at[:len(at)-1]
			continue
		case part == "..": // out of the directory, perhaps to come back
			rest, ok := "", false
			for _, base := range s.bases {
				if rest, ok = s.below(path.Join(base, "..", strings.Join(todo, "/"))); ok {
					break
				}
			}
			if !ok {
				return "", errOutside
			}
			todo = strings.Split(rest, "/")
			continue
		}
		at = append(at, part)
		here := strings.Join(at, "/")
		info, err := s.root.Lstat(here)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			continue
		}
		target, err := s.root.Readlink(here)
		if err != nil {
			return "", err
		}
		if links++; links > maxLinks {
			return "", syscall.ELOOP
		}
		at = at[:len(at)-1]
		if path.IsAbs(target) {
			var ok bool
			if target, ok = s.below(target); !ok {
				return "", errOutside
			}
			at = at[:0]
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return path.Join(append([]string{"."}, at...)...), nil
}

// below returns what follows the path of the directory in an absolute path. It reports false if the path leads elsewhere.
func (s *Server) below(name string) (string, bool) {
	for _, base := range s.bases {
		for _, whole := range []string{name, path.Clean(name)} { // cleaned last: Clean takes "link/.." for nothing
			rest, ok := strings.CutPrefix(whole, base)
			if ok && (base == "/" || rest == "" || rest[0] == '/') {
				return rest, true
			}
		}
	}
	return "", false
}
