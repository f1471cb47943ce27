package tests

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/packet"
)

func words(text string) []string { return strings.Fields(text) }

// whereOf is what the types of options of gen_tcp say in column "for" of its table of options.
var whereOf = map[string]string{"connect_option": "C", "listen_option": "L", "option()": "CLS", "option_name": "G",
	"other option": "CL"}

// documentRow is a row of a table that has a column "in".
type documentRow struct {
	in    []string
	where string
	names string // the cell with the Go names
	text  string
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// documentTables reads the tables of a page of docs/, by the head of the first column.
func documentTables(t *testing.T, page string) map[string]map[string]documentRow {
	sourcetree.Need(t)
	b, err := os.ReadFile("../docs/" + page)
	require.NoError(t, err)
	tables := make(map[string]map[string]documentRow)
	var head []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "|") {
			head = nil
			continue
		}
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if head == nil {
			head = cells
			continue
		}
		if !slices.Contains(head, "in") || strings.HasPrefix(cells[0], "---") {
			continue
		}
		require.Len(t, cells, len(head), "%s", line)
		key := codeSpan.FindStringSubmatch(cells[0])
		require.NotNil(t, key, "the first cell is no code: %s", line)
		kind := head[0]
		if tables[kind] == nil {
			tables[kind] = make(map[string]documentRow)
		}
		row := documentRow{in: strings.Fields(cells[1]), text: cells[len(cells)-1]}
		for i, column := range head {
			switch column {
			case "for":
				row.where = cells[i]
			case "Go":
				row.names = cells[i]
			}
		}
		for _, name := range eachArity(key[1]) {
			require.NotContains(t, tables[kind], name, "twice in the table of %s", kind)
			tables[kind][name] = row
		}
	}
	return tables
}

func TestTheTablesHaveWhatTheDocumentsNameAndNothingElse(t *testing.T) {
	for _, page := range documentPages {
		t.Run(page, func(t *testing.T) { tablesHaveWhatTheDocumentsName(t, page) })
	}
}

func tablesHaveWhatTheDocumentsName(t *testing.T, page string) {
	tables := documentTables(t, page)
	in := make(map[string][]string)    // "kind key" -> the documents that name it
	where := make(map[string][]string) // option -> letters that the documents ask for
	for _, d := range documents(t, page) {
		for kind, names := range d.kinds {
			letters, isOption := whereOf[kind]
			if isOption {
				kind = "option"
			}
			for _, n := range names {
				if key := kind + " " + n.name; !slices.Contains(in[key], d.name) {
					in[key] = append(in[key], d.name)
				}
				if isOption {
					where[n.name] = append(where[n.name], letters)
				}
				if _, ok := tables[kind][n.name]; !ok {
					t.Errorf("document %s names %s %s, and the table does not", d.name, kind, n.name)
				}
			}
		}
	}
	for kind, rows := range tables {
		for name, row := range rows {
			is := in[kind+" "+name]
			if len(is) == 0 {
				is = []string{"+"}
			}
			assert.ElementsMatch(t, is, row.in, "column in of %s %s", kind, name)
			if kind != "option" {
				continue
			}
			for _, letter := range strings.Join(where[name], "") {
				assert.Contains(t, row.where, string(letter), "column for of %s", name)
			}
		}
	}
}

// directories are where the packages of the documents are.
var directories = map[string]string{"esock": "..", "gentcp": "../gentcp", "packet": "../packet", "hackney": "../hackney",
	"sockopt": "../sockopt", "supports": "../supports", "netdevice": "../netdevice"}

// declaredNames has the names that the packages declare, as "gentcp.Listen", "gentcp.Socket.Recv", "esock.Addr.Port": methods
// and fields too.
func declaredNames(t *testing.T) map[string]bool {
	names := make(map[string]bool)
	for name, dir := range directories {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, d := range f.Decls {
				for _, n := range declared(d) {
					names[name+"."+n] = true
				}
			}
		}
	}
	return names
}

// declared is what a declaration declares: functions, methods as Type.Method, types and their fields, values.
func declared(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []string{d.Name.Name}
		}
		typ := d.Recv.List[0].Type
		if star, ok := typ.(*ast.StarExpr); ok {
			typ = star.X
		}
		if index, ok := typ.(*ast.IndexExpr); ok {
			typ = index.X
		}
		return []string{fmt.Sprint(typ, ".", d.Name)}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					names = append(names, n.Name)
				}
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
				var members *ast.FieldList
				switch typ := spec.Type.(type) {
				case *ast.StructType:
					members = typ.Fields
				case *ast.InterfaceType:
					members = typ.Methods
				}
				if members == nil {
					continue
				}
				for _, field := range members.List {
					for _, n := range field.Names {
						names = append(names, spec.Name.Name+"."+n.Name)
					}
				}
			}
		}
	}
	return names
}

func TestEveryRowOfTheTableHasAGoNameThatExists(t *testing.T) {
	names := declaredNames(t)
	names["net.ErrClosed"] = true
	for _, page := range documentPages {
		for kind, rows := range documentTables(t, page) {
			for key, row := range rows {
				if row.names == "-" {
					assert.NotEmpty(t, row.text, "why has %s %s no Go name?", kind, key)
					continue
				}
				spans := codeSpan.FindAllStringSubmatch(row.names, -1)
				assert.NotEmpty(t, spans, "%s %s has no Go name", kind, key)
				for _, span := range spans {
					assert.True(t, names[span[1]], "%s %s: there is no %s", kind, key, span[1])
				}
			}
		}
	}
}

// The variables of the documents' snippets, and what they stand for.
var variables = map[string][]string{
	"s": {"gentcp.Socket", "esock.Socket", "hackney.Socket"}, "S": {"gentcp.Socket"}, "L": {"gentcp.Socket"},
	"HS": {"hackney.Socket"}, "mb": {"esock.Mailbox"}, "mailbox": {"esock.Mailbox"}, "listener": {"gentcp.Socket"},
	"p": {"packet.Packet", "gentcp.Packet"}, "r": {"packet.HTTPRequest"}, "h": {"packet.HTTPHeader"},
	"m": {"esock.Monitor"}, "ref": {"esock.Monitor"},
}

func TestTheDocumentsUseNamesThatExist(t *testing.T) {
	sourcetree.Need(t)
	names := declaredNames(t)
	qualified := regexp.MustCompile(`\b(esock|sockopt|supports|netdevice|gentcp|packet|hackney)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)
	member := regexp.MustCompile(`(?:^|[^\w.])(\w+)\.([A-Z]\w*)`)
	for _, file := range []string{"../docs/gen-tcp.md", "../docs/socket.md", "../docs/from-erlang.md", "../README.md"} {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range qualified.FindAllStringSubmatch(string(b), -1) {
			assert.True(t, names[m[1]+"."+m[2]], "%s: there is no %s", file, m[0])
			// Of a variable the type is not known here.
			if typ := m[1] + "." + m[2] + "."; m[3] != "" && hasPrefix(names, typ) {
				assert.True(t, names[typ+m[3]], "%s: there is no %s", file, m[0])
			}
		}
		for _, m := range member.FindAllStringSubmatch(string(b), -1) {
			if types := variables[m[1]]; types != nil {
				assert.True(t, slices.ContainsFunc(types, func(typ string) bool { return names[typ+"."+m[2]] }),
					"%s: %s has no %s", file, m[1], m[2])
			}
		}
	}
}

func hasPrefix(names map[string]bool, prefix string) bool {
	for n := range names {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}

// samples has a value for every option, as a configuration would give it.
var samples = map[string]any{
	"fd": 1 << 20, "inet": nil, "inet6": nil, "local": nil, "ifaddr": "127.0.0.1:0", "ip": "127.0.0.1", "port": 0,
	"inet_backend": "socket", "tcp_module": "inet_tcp", "netns": "/proc/self/ns/net", "bind_to_device": "lo", "backlog": 5, "protocol": "tcp",
	"active": "once", "buffer": 1000, "debug": false, "delay_send": true, "deliver": "port", "dontroute": false,
	"exit_on_close": false, "exclusiveaddruse": true, "header": 2, "high_msgq_watermark": 1, "high_watermark": 0,
	"keepalive": true, "keepcnt": 3, "keepidle": 10, "keepintvl": 10, "linger": []any{true, 0}, "low_msgq_watermark": 1,
	"low_watermark": 0, "mode": "binary", "list": nil, "binary": nil, "nodelay": true, "packet": 2, "packet_size": 0,
	"priority": 1, "raw": []any{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, "01000000"}, "recbuf": 10000, "reuseaddr": true,
	"reuseport": true, "reuseport_lb": true, "send_timeout": "infinity", "send_timeout_close": true,
	"show_econnreset": true, "sndbuf": 10000, "tos": 4, "tclass": 4, "ttl": 10, "recvtos": true, "recvtclass": true,
	"recvttl": true, "user_timeout": 1000, "ipv6_v6only": true, "line_delimiter": 59, "nopush": true, "read_ahead": false,
}

func TestOptionsAreTakenWhereTheTableSays(t *testing.T) {
	machine.NeedIPv6(t)
	mb := esock.NewMailbox()
	defer mb.Close()
	// Options of one address family are tried with both.
	listeners := make(map[bool]*gentcp.Socket)
	for _, six := range []bool{false, true} {
		opts := []gentcp.Option{gentcp.IPLoopback()}
		if six {
			opts = append(opts, gentcp.Inet6())
		}
		l, err := gentcp.Listen(mb, 0, opts...)
		require.NoError(t, err)
		listeners[six] = l
	}
	peer, err := listeners[false].SockName()
	require.NoError(t, err)

	for name, row := range documentTables(t, "gen-tcp.md")["option"] {
		where := row.where
		getName := gentcp.Name(name)
		if name == "raw" {
			getName = gentcp.RawName(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 4)
		}
		_, err := listeners[false].GetOpts(getName)
		assert.Equal(t, strings.Contains(where, "G"), err == nil, "getopts %s: %v", name, err)

		if !strings.ContainsAny(where, "CLS") {
			_, err := gentcp.Opt(name, nil)
			assert.ErrorIs(t, err, gentcp.ErrBadArg, "%s cannot be set", name)
			continue
		}
		sample, ok := samples[name]
		require.True(t, ok, "the test has no value for option %s", name)
		o, err := gentcp.Opt(name, sample)
		if !assert.NoError(t, err, "Opt(%q, %v)", name, sample) {
			continue
		}
		assert.Equal(t, name, o.Name())

		err4, err6 := listeners[false].SetOpts(o), listeners[true].SetOpts(o)
		taken := err4 == nil || err6 == nil || errors.Is(err4, syscall.EPERM)
		taken = taken || name == "ipv6_v6only" // Linux takes it on unbound sockets alone, and these are bound
		assert.Equal(t, strings.ContainsAny(where, "Ss"), taken, "setopts %s: %v, %v", name, err4, err6)

		// What the system answers does not matter here.
		s, err := gentcp.Listen(mb, 0, o)
		assert.Equal(t, strings.Contains(where, "L"), !errors.Is(err, gentcp.ErrBadArg), "listen %s: %v", name, err)
		if err == nil {
			s.Close()
		}
		s, err = gentcp.ConnectAddr(mb, peer, esock.Within(0), o)
		assert.Equal(t, strings.Contains(where, "C"), !errors.Is(err, gentcp.ErrBadArg), "connect %s: %v", name, err)
		if err == nil {
			s.Close()
		}
	}
}

func TestPacketTypesAreTakenAsTheTableSays(t *testing.T) {
	for name := range documentTables(t, "gen-tcp.md")["value of packet"] {
		typ, err := packet.ParseType(name)
		require.NoError(t, err)
		assert.Equal(t, name, typ.String())
		_, err = gentcp.Opt("packet", name)
		if typ == packet.TLS {
			assert.ErrorIs(t, err, gentcp.ErrBadArg)
		} else {
			assert.NoError(t, err, "packet %s", name)
		}
	}
}
