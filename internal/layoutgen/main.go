// Command layoutgen extracts facts from kernel headers, with which a test of package sockopt compares the option rows: the
// numbers of constants, and the layouts of structures as the C compiler sees them. build/layout runs it.
//
//	layoutgen INCLUDE-DIRECTORY VERSION STRUCTURE... >sockopt/testdata/headers.txt
package main

import (
	"bufio"
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// headers are those that define options and their structures.
var headers = []string{"asm-generic/socket.h", "linux/can/raw.h", "linux/errqueue.h", "linux/filter.h", "linux/icmp.h", "linux/if_alg.h",
	"linux/if_packet.h", "linux/if_xdp.h", "linux/in.h", "linux/in6.h", "linux/mptcp.h", "linux/net_tstamp.h", "linux/netlink.h",
	"linux/sctp.h", "linux/tcp.h", "linux/tipc.h", "linux/tls.h", "linux/udp.h", "linux/vm_sockets.h"}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: layoutgen INCLUDE-DIRECTORY VERSION STRUCTURE...")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "layoutgen:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, dir, version string, structs []string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "# Facts of Linux's headers. Made by build/layout; do not edit.\n")
	fmt.Fprintf(out, "# const NAME NUMBER FILE; struct NAME BITS; field STRUCT MEMBER BIT BITS\nlinux %s\n", version)
	if err := constants(out, dir); err != nil {
		return err
	}
	if err := layouts(out, dir, structs); err != nil {
		return err
	}
	return out.Flush()
}

// compile gives C code that includes the headers to the C compiler. libc's headers come first, because they refuse to be
// included behind the kernel's.
func compile(dir, code string, flags ...string) ([]byte, error) {
	var source strings.Builder
	source.WriteString("#include <netinet/in.h>\n#include <sys/socket.h>\n#include <time.h>\n")
	for _, h := range headers {
		fmt.Fprintf(&source, "#include <%s>\n", h)
	}
	source.WriteString(code)
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	args := append([]string{"-D_GNU_SOURCE", "-isystem", dir, "-isystem", filepath.Join(dir, "x86_64-linux-gnu"), "-x", "c", "-"}, flags...)
	cmd := exec.Command(cc, args...)
	cmd.Stdin = strings.NewReader(source.String())
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	b, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %s", err, complaints.String())
	}
	return b, nil
}

// constants writes the macros of the headers that are a number, or the name of one.
func constants(out io.Writer, dir string) error {
	b, err := compile(dir, "", "-E", "-dD")
	if err != nil {
		return err
	}
	text, file := map[string]string{}, map[string]string{}
	var at string
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		switch {
		case len(words) >= 3 && words[0] == "#": // # line "file"
			at = ""
			if rest, ok := strings.CutPrefix(strings.Trim(words[2], `"`), dir+"/"); ok && slices.Contains(headers, rest) {
				at = rest
			}
		case len(words) >= 3 && words[0] == "#define":
			text[words[1]] = words[2]
			if len(words) > 3 {
				text[words[1]] = ""
			}
			if at != "" {
				file[words[1]] = at
			}
		}
	}
	names := []string{}
	for name := range file {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := text[name]
		for range 8 { // a macro may name itself
			if next := text[value]; next != "" {
				value = next
			}
		}
		if n, err := strconv.ParseInt(value, 0, 64); err == nil {
			fmt.Fprintln(out, "const", name, n, file[name])
		}
	}
	return nil
}

// layouts writes the structures, with members of structures inside them apart.
func layouts(out io.Writer, dir string, structs []string) error {
	var code strings.Builder
	for i, name := range structs {
		fmt.Fprintf(&code, "struct %s *layout%d;\n", name, i)
	}
	object, err := os.CreateTemp("", "layout*.o")
	if err != nil {
		return err
	}
	defer os.Remove(object.Name())
	defer object.Close()
	if _, err := compile(dir, code.String(), "-g", "-c", "-o", object.Name()); err != nil {
		return err
	}
	f, err := elf.NewFile(object)
	if err != nil {
		return err
	}
	defer f.Close()
	d, err := f.DWARF()
	if err != nil {
		return err
	}
	r := d.Reader()
	for {
		e, err := r.Next()
		if e == nil || err != nil {
			return err
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		if e.Tag != dwarf.TagStructType || !slices.Contains(structs, name) || e.Val(dwarf.AttrDeclaration) != nil {
			continue
		}
		t, err := d.Type(e.Offset)
		if err != nil {
			return err
		}
		st := t.(*dwarf.StructType)
		fmt.Fprintln(out, "struct", name, st.ByteSize*8)
		fields(out, name, "", st, 0)
	}
}

func fields(out io.Writer, name, prefix string, st *dwarf.StructType, base int64) {
	for _, f := range st.Field {
		at, size := base+f.ByteOffset*8, f.Type.Size()*8
		if f.BitSize != 0 {
			at, size = base+f.DataBitOffset, f.BitSize
		}
		inner, isStruct := under(f.Type).(*dwarf.StructType)
		// Addresses are values, as in the option rows.
		if isStruct && f.Name == "" || isStruct && inner.Kind == "struct" && !slices.Contains(wholes, inner.StructName) {
			p := prefix
			if f.Name != "" {
				p += f.Name + "."
			}
			fields(out, name, p, inner, at)
			continue
		}
		fmt.Fprintln(out, "field", name, prefix+f.Name, at, max(size, 0))
	}
}

var wholes = []string{"in_addr", "in6_addr", "sockaddr_in6", "sockaddr_storage", "__kernel_sockaddr_storage"}

func under(t dwarf.Type) dwarf.Type {
	for {
		switch u := t.(type) {
		case *dwarf.TypedefType:
			t = u.Type
		case *dwarf.QualType:
			t = u.Type
		default:
			return t
		}
	}
}
