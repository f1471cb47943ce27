package packetjson

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

const vectors = "../../packet/testdata/decode_packet.json"

func TestEveryVectorIsPrintedAsTheFileHasIt(t *testing.T) {
	sourcetree.Need(t)
	f, err := Read(vectors)
	require.NoError(t, err)
	require.Len(t, f.Vectors, 273)
	for _, v := range f.Vectors {
		got, ok := v.Run()
		assert.True(t, ok, v.ID)
		assert.Equal(t, string(v.Result), got, v.ID)
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "vectors.json")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestFilesThatAreNotWholeAreRefused(t *testing.T) {
	for _, text := range []string{"", "{}", `{"count": 0, "vectors": []}`, `{"count": 2, "vectors": [{"id": "a"}]}`,
		`{"count": 1, "vectors": [{"input": "6"}]}`, `{"count": 1, "vectors": [{"input": "xx"}]}`,
		`{"count": 1, "vectors": [{"id": "a", "type": "raw", "input": "61", "options": {"packetsize": 1}}]}`} {
		_, err := Read(file(t, text))
		assert.Error(t, err, text)
	}
	_, err := Read(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestResultsAreComparedByValue(t *testing.T) {
	f, err := Read(file(t, `{"count": 3, "vectors": [
		{"id": "a", "type": "raw", "input": "61", "result": {"rest":"","packet":{"hex":"61","kind":"data"},"tag":"ok"}},
		{"id": "b", "type": "raw", "input": "61", "result": {"rest":"","packet":{"hex":"62","kind":"data"},"tag":"ok"}},
		{"id": "c", "type": "raw", "input": "61"}]}`))
	require.NoError(t, err)
	for i, want := range []bool{true, false, false} {
		got, ok := f.Vectors[i].Run()
		assert.Equal(t, want, ok)
		assert.Equal(t, `{"tag": "ok", "packet": {"kind": "data", "hex": "61"}, "rest": ""}`, got)
	}
}

func number(n int64) *int64 { return &n }

func TestArgumentsOutOfRangeAreBadarg(t *testing.T) {
	assert.Equal(t, badArg, Decode("3", nil, Options{}))
	for _, o := range []Options{{PacketSize: number(-1)}, {PacketSize: number(1 << 32)}, {LineLength: number(-1)},
		{LineLength: number(1 << 32)}, {LineDelimiter: number(-1)}, {LineDelimiter: number(256)}} {
		assert.Equal(t, badArg, Decode("line", []byte("a\n"), o))
	}
	assert.Equal(t, badArg, Decode("raw", nil, Options{LineDelimiter: number(10)}))
	assert.Equal(t, `{"tag": "more", "length": null}`, Decode("raw", nil, Options{PacketSize: number(1<<32 - 1)}))
}

func TestTextOfHTTPIsLatin1(t *testing.T) {
	assert.Equal(t, `"a<&>\"\\\r\n\t\b\f\u0000\u007f\u00e4\u00ff"`,
		latin1([]byte("a<&>\"\\\r\n\t\b\f\x00\x7f\xe4\xff")))
}
