package tests

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
	"github.com/esock-go/esock/supports"
)

type integer interface {
	~int | ~uint8 | ~uint16 | ~uint32
	fmt.Stringer
}

// unnamed is the text of a number without a name.
var unnamed = regexp.MustCompile(`^(-?\d+|[a-z]+\.[A-Za-z]+\(\d+\))$`)

// atom is the property that each name of a type, of numbers up to the greatest, is read as what printed it. least is how many
// names there are at least.
func atom[T integer](greatest, least int, parse func(string) (T, error)) func(*testing.T) {
	return func(t *testing.T) {
		named := 0
		for n := range greatest + 1 {
			text := T(n).String()
			if unnamed.MatchString(text) {
				continue
			}
			got, err := parse(text)
			require.NoError(t, err)
			require.Equal(t, T(n), got, text)
			named++
		}
		assert.GreaterOrEqual(t, named, least)
		_, err := parse("no such name")
		assert.Error(t, err)
	}
}

// optionValue reads the value of an option of gentcp.
func optionValue[T integer](name string, option func(T) gentcp.Option, all ...T) func(*testing.T) {
	return func(t *testing.T) {
		for _, v := range all {
			got, err := gentcp.Opt(name, v.String())
			require.NoError(t, err)
			assert.Equal(t, option(v), got)
		}
	}
}

func tosByName(t *testing.T) {
	named := 0
	for n := range 256 {
		if name := gentcp.TOSByte(n).Name(); name != "" && n&3 == 0 {
			got, err := gentcp.Opt("tos", name)
			require.NoError(t, err)
			assert.Equal(t, gentcp.TOS(n), got)
			named++
		}
	}
	assert.Equal(t, 3, named, "mincost is in the bits of ECN today")
}

// namesParse has each integer type that prints names.
var namesParse = map[string]func(*testing.T){
	"esock.Domain":      atom(60, 7, esock.ParseDomain),
	"esock.Type":        atom(20, 5, esock.ParseType),
	"esock.Protocol":    atom(300, 130, esock.ParseProtocol),
	"esock.MsgFlags":    atom(1<<16, 1<<8, esock.ParseMsgFlags),
	"esock.How":         atom(3, 3, esock.ParseHow),
	"esock.Op":          atom(255, 14, esock.ParseOp),
	"esock.ErrorOrigin": atom(255, 7, esock.ParseErrorOrigin),
	"esock.TxStage":     atom(255, 4, esock.ParseTxStage),
	"esock.ErrorType": inError("type", 1<<16-1, 5, errorOfType,
		func(e esock.ExtendedError) esock.ErrorType { return e.Type }),
	"esock.ErrorCode": inError("code", 1<<18, 13, errorOfCode,
		func(e esock.ExtendedError) esock.ErrorCode { return e.Code }),
	"sockopt.PMTUDiscover": atom(10, 4, sockopt.ParsePMTUDiscover),
	"sockopt.FilterMode":   atom(10, 2, sockopt.ParseFilterMode),
	"sockopt.ProbeResult":  atom(255, 9, sockopt.ParseProbeResult),
	"sockopt.Kinds":        atom(1<<len(sockopt.AllKinds())-1, len(sockopt.AllKinds()), sockopt.ParseKinds),
	"netdevice.Flag":       atom(1<<16-1, 16, netdevice.ParseFlags),
	"supports.Option":      atom(255, 4, supports.ParseOption),
	"packet.Type":          atom(255, 12, packet.ParseType),
	"packet.Kind":          atom(255, 8, packet.ParseKind),
	"packet.URIKind":       atom(255, 5, packet.ParseURIKind),
	"gentcp.Backend":       optionValue("inet_backend", gentcp.InetBackend, gentcp.BackendSocket, gentcp.BackendInet),
	"gentcp.TOSByte":       tosByName, // which prints the number with the name
	"gentcp.DataMode":      optionValue("mode", gentcp.Mode, gentcp.ModeList, gentcp.ModeBinary),
	"gentcp.DeliverAs":     optionValue("deliver", gentcp.Deliver, gentcp.DeliverTerm, gentcp.DeliverPort),
	"gentcp.TCPProtocol":   optionValue("protocol", gentcp.Protocol, gentcp.ProtocolTCP, gentcp.ProtocolMPTCP),
}

// inError is atom for the types and codes of errors, whose names mean one number for each origin and type. of makes an error
// with the number, and part takes it out.
func inError[T integer](key string, greatest, least int, of func(T) esock.ExtendedError, part func(esock.ExtendedError) T) func(*testing.T) {
	return func(t *testing.T) {
		named := 0
		for n := range greatest + 1 {
			text := T(n).String()
			if unnamed.MatchString(text) {
				continue
			}
			m := of(T(n)).Map()
			require.Equal(t, text, m[key])
			got, err := esock.ExtendedErrorFromMap(m)
			require.NoError(t, err)
			require.Equal(t, T(n), part(got), text)
			named++
		}
		assert.GreaterOrEqual(t, named, least)
	}
}

func errorOfType(typ esock.ErrorType) esock.ExtendedError {
	return esock.ExtendedError{Origin: esock.ErrorOrigin(typ >> 8), Type: typ, Code: esock.ErrorCode(typ) << 8}
}

func errorOfCode(code esock.ErrorCode) esock.ExtendedError {
	e := errorOfType(esock.ErrorType(code >> 8))
	e.Code = code
	return e
}

// A type that gets names must have a way to read them, and a row above.
func TestEveryNameIsReadBack(t *testing.T) {
	integers := map[string]bool{}
	for dir, pkg := range publicPackages {
		parsed, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, name := range parsed {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			require.NoError(t, err)
			for _, d := range file.Decls {
				d, ok := d.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, spec := range d.Specs {
					s, ok := spec.(*ast.TypeSpec)
					if !ok || !s.Name.IsExported() {
						continue
					}
					if id, ok := s.Type.(*ast.Ident); ok && regexp.MustCompile(`^u?int\d*$`).MatchString(id.Name) {
						integers[pkg+"."+s.Name.Name] = true
					}
				}
			}
		}
	}
	printing := map[string]bool{}
	eachFunc(t, func(pkg, receiver string, d *ast.FuncDecl) {
		if name := pkg + "." + receiver; d.Name.Name == "String" && integers[name] {
			printing[name] = true
		}
	})
	assert.Equal(t, slices.Sorted(maps.Keys(namesParse)), slices.Sorted(maps.Keys(printing)))
	for _, name := range slices.Sorted(maps.Keys(namesParse)) {
		t.Run(name, namesParse[name])
	}
}

func TestHowByName(t *testing.T) {
	for text, how := range map[string]esock.How{"read": esock.ShutRead, "write": esock.ShutWrite, "read_write": esock.ShutReadWrite} {
		got, err := esock.ParseHow(text)
		require.NoError(t, err)
		assert.Equal(t, how, got)
		assert.Equal(t, text, how.String())
	}
	assert.Equal(t, "7", esock.How(7).String())
	for _, text := range []string{"", "0", "Read", "readwrite"} {
		_, err := esock.ParseHow(text)
		assert.ErrorIs(t, err, invalid("how"), text)
	}
}
