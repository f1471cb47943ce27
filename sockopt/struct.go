package sockopt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
	"github.com/esock-go/esock/internal/plain"
)

// shapeField is a field of an option's structure; esock_opt_struct.def defines the kinds.
type shapeField struct{ name, kind string }

// shape is a structure of the kernel, with the offsets of its fields as the core reports them.
type shape struct {
	name    string
	size    int // without the list
	element int // bytes of an element of the list, 0 if it has none
	fields  []placedField
}

type placedField struct {
	shapeField
	offset int
}

// shapeOf asks the core for the offsets of a structure's fields.
func shapeOf(name string) *shape {
	for row := range optionRows {
		if optionRows[row].Struct != name {
			continue
		}
		fields := optionShapes[name]
		sh := &shape{name: name, size: corecall.OptionOffset(row, len(fields)), element: corecall.OptionOffset(row, len(fields)+1)}
		for k, f := range fields {
			sh.fields = append(sh.fields, placedField{f, corecall.OptionOffset(row, k)})
		}
		return sh
	}
	panic("esock: no option has the structure " + name)
}

var shapes = sync.OnceValue(func() map[string]*shape {
	all := make(map[string]*shape, len(optionShapes))
	for name := range optionShapes {
		all[name] = shapeOf(name)
	}
	return all
})

// structCodec returns the codec of a generated structure type, whose fields are those of the kernel's structure, in order.
func structCodec[T any](name string) codec[T] {
	return codec[T]{
		encode: func(v T) (int64, []byte, string) {
			data, cause := shapes()[name].encode(reflect.ValueOf(v))
			return 0, data, cause
		},
		decode: func(_ int64, data []byte) (v T) {
			shapes()[name].decode(data, reflect.ValueOf(&v).Elem())
			return v
		},
	}
}

// hidden reports fields that a Go structure does not have: the number of elements of a list.
func (f *placedField) hidden() bool { return strings.HasPrefix(f.kind, "COUNT") }

func (f *placedField) isList() bool { return f.kind[0] == 'L' || f.kind == "TAIL" }

// nextField returns the index of the next field of a Go structure, skipping padding.
func nextField(v reflect.Value, g *int) int {
	for v.Type().Field(*g).Name == "_" {
		*g++
	}
	*g++
	return *g - 1
}

// encode writes a Go structure in the kernel's form.
func (sh *shape) encode(v reflect.Value) ([]byte, string) {
	data := make([]byte, sh.size)
	count := -1
	for k, g := 0, 0; k < len(sh.fields); k++ {
		f := &sh.fields[k]
		if f.hidden() {
			count = k
			continue
		}
		from := v.Field(nextField(v, &g))
		if !f.isList() {
			if cause := f.put(data[f.offset:], from); cause != "" {
				return nil, f.name + ": " + cause
			}
			continue
		}
		for e := range from.Len() {
			at := len(data)
			data = append(data, make([]byte, sh.element)...)
			if cause := (&placedField{shapeField: shapeField{f.name, elementKind(f.kind)}}).put(data[at:], from.Index(e)); cause != "" {
				return nil, f.name + ": " + cause
			}
		}
		if count >= 0 {
			if !putCount(data[sh.fields[count].offset:], sh.fields[count].kind, from.Len()) {
				return nil, f.name + ": too many"
			}
		}
	}
	return data, ""
}

func putCount(b []byte, kind string, n int) bool {
	if kind == "COUNT16" {
		binary.NativeEndian.PutUint16(b, uint16(n))
		return n <= math.MaxUint16
	}
	binary.NativeEndian.PutUint32(b, uint32(n))
	return true
}

// elementKind returns the kind of the elements of a list.
func elementKind(kind string) string {
	if kind == "TAIL" {
		return "U8"
	}
	return kind[1:]
}

// decode reads a Go structure from the kernel's form.
func (sh *shape) decode(data []byte, v reflect.Value) {
	if len(data) < sh.size {
		data = append(bytes.Clone(data), make([]byte, sh.size-len(data))...)
	}
	for k, g := 0, 0; k < len(sh.fields); k++ {
		f := &sh.fields[k]
		if f.hidden() {
			continue
		}
		to := v.Field(nextField(v, &g))
		if !f.isList() {
			f.get(data[f.offset:], to)
			continue
		}
		n := sh.listed(data, k)
		list := reflect.MakeSlice(to.Type(), n, n)
		element := placedField{shapeField: shapeField{f.name, elementKind(f.kind)}}
		for e := range n {
			element.get(data[sh.size+e*sh.element:], list.Index(e))
		}
		to.Set(list)
	}
}

// listed returns the number of elements: what the count says, but no more than the bytes hold.
func (sh *shape) listed(data []byte, k int) int {
	n := (len(data) - sh.size) / sh.element
	if k > 0 {
		switch c := sh.fields[k-1]; c.kind {
		case "COUNT16":
			n = min(n, int(binary.NativeEndian.Uint16(data[c.offset:])))
		case "COUNT32":
			n = min(n, int(binary.NativeEndian.Uint32(data[c.offset:])))
		}
	}
	return n
}

// units has the kinds that are times.
var units = map[string]time.Duration{"SEC": time.Second, "MS": time.Millisecond, "US": time.Microsecond,
	"USMIN": time.Microsecond, "US64": time.Microsecond}

// mostUnits is the greatest number of a field that is a time.
func (f *placedField) mostUnits() int64 {
	switch f.kind {
	case "SEC":
		return math.MaxInt32
	case "US64":
		return math.MaxInt64
	}
	return math.MaxUint32
}

// number reads a field that is a number.
func (f *placedField) number(b []byte) uint64 {
	switch f.kind {
	case "U8", "BOOL8":
		return uint64(b[0])
	case "U16":
		return uint64(binary.NativeEndian.Uint16(b))
	case "BE16":
		return uint64(binary.BigEndian.Uint16(b))
	case "BE32":
		return uint64(binary.BigEndian.Uint32(b))
	case "I32", "SEC":
		return uint64(int64(int32(binary.NativeEndian.Uint32(b))))
	case "USMIN":
		// The kernel starts with the greatest number, so that every sample is less.
		if n := binary.NativeEndian.Uint32(b); n != math.MaxUint32 {
			return uint64(n)
		}
		return 0
	case "ECNMODE", "ECNSEEN", "ECNFAIL", "ECNOPTS":
		return uint64(ecnLayout()[f.kind].get(b))
	case "U64", "US64":
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}

// putNumber writes a number. It returns false if the number does not fit.
func (f *placedField) putNumber(b []byte, n uint64) bool {
	switch f.kind {
	case "U8", "BOOL8":
		b[0] = byte(n)
		return n <= math.MaxUint8
	case "U16":
		binary.NativeEndian.PutUint16(b, uint16(n))
		return n <= math.MaxUint16
	case "BE16":
		binary.BigEndian.PutUint16(b, uint16(n))
		return n <= math.MaxUint16
	case "BE32":
		binary.BigEndian.PutUint32(b, uint32(n))
		return n <= math.MaxUint32
	case "ECNMODE", "ECNSEEN", "ECNFAIL", "ECNOPTS":
		return ecnLayout()[f.kind].put(b, n)
	case "U64", "US64":
		binary.NativeEndian.PutUint64(b, n)
		return true
	case "I32", "SEC":
		binary.NativeEndian.PutUint32(b, uint32(n))
		return plain.FitsCInt(int64(n))
	}
	binary.NativeEndian.PutUint32(b, uint32(n))
	return n <= math.MaxUint32
}

func (f *placedField) get(b []byte, to reflect.Value) {
	if to.CanUint() { // also a time that Go has as a number, in the kernel's unit
		to.SetUint(f.number(b))
		return
	}
	switch f.kind {
	case "CAN":
		*to.Addr().Interface().(*CANFilter) = valueOf[CANFilter](b[:8])
	case "BOOL", "BOOL8":
		to.SetBool(f.number(b) != 0)
	case "SEC", "MS", "US", "USMIN", "US64":
		to.SetInt(int64(min(f.number(b), math.MaxInt64/uint64(units[f.kind]))) * int64(units[f.kind]))
	case "I32":
		to.SetInt(int64(f.number(b)))
	case "IN4":
		*to.Addr().Interface().(*netip.Addr) = netip.AddrFrom4([4]byte(b))
	case "IN6":
		*to.Addr().Interface().(*netip.Addr) = netip.AddrFrom16([16]byte(b))
	case "SA":
		*to.Addr().Interface().(*esock.Addr) = addrOfStorage(b[:128])
	case "SA6":
		*to.Addr().Interface().(*esock.Addr) = addrOfStorage(b[:28])
	case "B32", "B80":
		reflect.Copy(to, reflect.ValueOf(b))
	}
}

func (f *placedField) put(b []byte, from reflect.Value) (cause string) {
	if from.CanUint() {
		if !f.putNumber(b, from.Uint()) {
			return "out of range"
		}
		return ""
	}
	switch f.kind {
	case "CAN":
		v := from.Interface().(CANFilter)
		copy(b, bytesOf(&v))
	case "BOOL", "BOOL8":
		f.putNumber(b, uint64(boolInt(from.Bool())))
	case "SEC", "MS", "US", "USMIN", "US64":
		n, cause := wholeUnits(time.Duration(from.Int()), units[f.kind], f.mostUnits())
		f.putNumber(b, uint64(n))
		return cause
	case "I32":
		f.putNumber(b, uint64(from.Int()))
	case "IN4":
		v, cause := ipv4(from.Interface().(netip.Addr))
		copy(b, v[:])
		return cause
	case "IN6":
		if a := from.Interface().(netip.Addr); a.Zone() != "" {
			return "it has a zone, which is for the field of the interface"
		} else if a.IsValid() {
			v := a.As16()
			copy(b, v[:])
		}
	case "SA", "SA6":
		return putStorage(b, from.Interface().(esock.Addr))
	case "B32", "B80":
		reflect.Copy(reflect.ValueOf(b[:from.Len()]), from)
	}
	return ""
}

// addrOfStorage returns the address in a sockaddr_storage.
func addrOfStorage(b []byte) esock.Addr {
	family := esock.Domain(binary.NativeEndian.Uint16(b))
	switch family {
	case esock.Unspec:
		return esock.Addr{}
	case esock.Inet:
		return esock.Inet4Addr(netip.AddrFrom4([4]byte(b[4:])), binary.BigEndian.Uint16(b[2:]))
	case esock.Inet6:
		return esock.Inet6Addr(netip.AddrFrom16([16]byte(b[8:])), binary.BigEndian.Uint16(b[2:]), binary.NativeEndian.Uint32(b[24:])).
			WithFlowInfo(binary.BigEndian.Uint32(b[4:]) & 0xFFFFF)
	}
	return esock.RawAddr(family, bytes.Clone(b[2:]))
}

// putStorage writes an inet or inet6 address, or none.
func putStorage(b []byte, a esock.Addr) (cause string) {
	ip := a.IP()
	switch {
	case a.IsZero():
		return ""
	case !ip.IsValid():
		return "not an address of inet or inet6"
	case a.Zone() != "" && a.ScopeID() == 0:
		return "the zone is a name, and an option takes its number (IfIndex)"
	}
	binary.NativeEndian.PutUint16(b, uint16(a.Family()))
	binary.BigEndian.PutUint16(b[2:], uint16(a.Port()))
	if a.Family() == esock.Inet {
		v := ip.As4()
		copy(b[4:], v[:])
		return ""
	}
	v := ip.As16()
	binary.BigEndian.PutUint32(b[4:], a.FlowInfo())
	copy(b[8:], v[:])
	binary.NativeEndian.PutUint32(b[24:], a.ScopeID())
	return ""
}

// plain returns a structure as a map: numbers, booleans, texts of addresses, bytes; times in the kernel's unit.
func (sh *shape) plain(data []byte) map[string]any {
	if len(data) < sh.size {
		data = append(bytes.Clone(data), make([]byte, sh.size-len(data))...)
	}
	m := make(map[string]any, len(sh.fields))
	for k := range sh.fields {
		f := &sh.fields[k]
		switch {
		case f.hidden():
		case f.kind == "LU8" || f.kind == "TAIL":
			m[f.name] = bytes.Clone(data[sh.size : sh.size+sh.listed(data, k)])
		case f.isList():
			list := []any{}
			element := placedField{shapeField: shapeField{f.name, elementKind(f.kind)}}
			for e := range sh.listed(data, k) {
				list = append(list, element.plain(data[sh.size+e*sh.element:]))
			}
			m[f.name] = list
		default:
			m[f.name] = f.plain(data[f.offset:])
		}
	}
	return m
}

func (f *placedField) plain(b []byte) any {
	switch f.kind {
	case "CAN":
		v := valueOf[CANFilter](b[:8])
		return map[string]any{"id": plain.Int(int64(v.ID)), "mask": plain.Int(int64(v.Mask))}
	case "BOOL", "BOOL8":
		return f.number(b) != 0
	case "IN4":
		return netip.AddrFrom4([4]byte(b)).String()
	case "IN6":
		return netip.AddrFrom16([16]byte(b)).String()
	case "SA":
		return addrOfStorage(b[:128]).Map()
	case "SA6":
		return addrOfStorage(b[:28]).Map()
	case "B32":
		return bytes.Clone(b[:32])
	case "B80":
		return bytes.Clone(b[:80])
	case "FMODE":
		return filterModeNames.Value(int(f.number(b)))
	}
	n := f.number(b)
	if f.kind != "I32" && f.kind != "SEC" && n > math.MaxInt64 {
		return n
	}
	return plain.Int(int64(n))
}

// fromPlain writes a map in the kernel's form, to set or to ask with. It refuses unknown keys and missing ones that are needed,
// by name.
func (sh *shape) fromPlain(m map[string]any, asks bool) ([]byte, string) {
	data := make([]byte, sh.size)
	r := plain.Read(m)
	if a, ok := keyAliases[sh.name]; ok {
		r.Alias(a.alias, a.key)
	}
	for k := range sh.fields {
		f := &sh.fields[k]
		if f.hidden() {
			continue
		}
		v, ok := r.Get(f.name)
		if !ok {
			continue
		}
		if !f.isList() {
			if cause := f.fromPlain(data[f.offset:], v); cause != "" {
				r.Wrong(f.name, cause)
			}
			continue
		}
		list, ok := listOf(v)
		if !ok {
			r.Wrong(f.name, "not a list")
			continue
		}
		element := placedField{shapeField: shapeField{f.name, elementKind(f.kind)}}
		for _, e := range list {
			at := len(data)
			data = append(data, make([]byte, sh.element)...)
			if cause := element.fromPlain(data[at:], e); cause != "" {
				r.Wrong(f.name, cause)
			}
		}
		if k > 0 && sh.fields[k-1].hidden() && !putCount(data[sh.fields[k-1].offset:], sh.fields[k-1].kind, len(list)) {
			r.Wrong(f.name, "too many")
		}
	}
	if cause := r.Finish(); cause != "" {
		return nil, cause
	}
	return data, plain.MissingKeys(sh.missing(r.All(), asks))
}

func listOf(v any) ([]any, bool) {
	if l, ok := v.([]any); ok {
		return l, true
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Slice {
		l := make([]any, rv.Len())
		for i := range l {
			l[i] = rv.Index(i).Interface()
		}
		return l, true
	}
	return nil, false
}

func (f *placedField) fromPlain(b []byte, v any) (cause string) {
	switch f.kind {
	case "CAN":
		return canFilterFromPlain(b, v)
	case "BOOL", "BOOL8":
		n, _, cause := boolFromPlain(v)
		f.putNumber(b, uint64(n))
		return cause
	case "IN4", "IN6":
		if v == "any" {
			return "" // all zeros, which b is
		}
		a, ok := v.(netip.Addr)
		if text, is := v.(string); is {
			var err error
			a, err = netip.ParseAddr(text)
			ok = err == nil
		}
		if !ok || (f.kind == "IN4" && !a.Unmap().Is4()) || a.Zone() != "" {
			return "not an address of the right family"
		}
		return f.put(b, reflect.ValueOf(a))
	case "SA", "SA6":
		a, err := addrFromAny(v)
		if err != nil {
			return err.Error()
		}
		return putStorage(b, a)
	case "B32", "B80":
		room := b[:32]
		if f.kind == "B80" {
			room = b[:80]
		}
		from, ok := v.([]byte)
		if text, is := v.(string); is {
			from, ok = []byte(text), true
		}
		if !ok || len(from) > len(room) {
			return fmt.Sprintf("not up to %d bytes", len(room))
		}
		copy(room, from)
		return ""
	case "SEC", "MS", "US", "USMIN", "US64":
		n, cause := timeFromPlain(v, units[f.kind], f.mostUnits())
		f.putNumber(b, uint64(n))
		return cause
	case "FMODE":
		if text, ok := v.(string); ok {
			n, ok := filterModeNames.Number(text)
			if !ok {
				return "not a known name"
			}
			v = n
		}
	}
	if u, ok := v.(uint64); ok && f.kind == "U64" {
		f.putNumber(b, u)
		return ""
	}
	low := int64(0)
	if f.kind == "I32" {
		low = math.MinInt64
	}
	n, cause := plain.Number(v, low, math.MaxInt64)
	if cause == "" && !f.putNumber(b, uint64(n)) {
		cause = "out of range"
	}
	return cause
}

// addrFromAny reads an address: an Addr, a map as Addr.Map makes it, a netip value, or the text of an IP address.
func addrFromAny(v any) (esock.Addr, error) {
	switch v := v.(type) {
	case esock.Addr:
		return v, nil
	case map[string]any:
		if v["family"] == "unspec" {
			return esock.Addr{}, nil
		}
		return esock.AddrFromMap(v)
	case netip.AddrPort:
		return esock.AddrFrom(v), nil
	case netip.Addr:
		return esock.AddrFrom(netip.AddrPortFrom(v, 0)), nil
	case string:
		ip, err := netip.ParseAddr(v)
		if err != nil {
			return esock.Addr{}, err
		}
		return esock.AddrFrom(netip.AddrPortFrom(ip, 0)), nil
	}
	return esock.Addr{}, syscall.EINVAL
}

// infoRoom has room for a struct tcp_info or mptcp_info.
var infoRoom = sync.Pool{New: func() any { return new([512]byte) }}

// decodeInfo is shape.decode without an allocation, of the structures that sock_diag(7) has.
func decodeInfo(name string, data []byte, to reflect.Value) {
	sh := shapes()[name]
	if len(data) < sh.size {
		room := infoRoom.Get().(*[512]byte)
		defer infoRoom.Put(room)
		clear(room[copy(room[:], data):])
		data = room[:]
	}
	sh.decode(data, to)
}

// Decode reads a struct tcp_info, as sock_diag(7) and other sources of the kernel have it. What data is too short for is zero:
// an older kernel has fewer fields. It allocates nothing.
func (v *TCPInfoValue) Decode(data []byte) {
	if v != nil {
		*v = TCPInfoValue{}
		decodeInfo("tcp_info", data, reflect.ValueOf(v).Elem())
	}
}

// Decode reads a struct mptcp_info, as sock_diag(7) has it. What data is too short for is zero. It allocates nothing.
func (v *MPTCPInfoValue) Decode(data []byte) {
	if v != nil {
		*v = MPTCPInfoValue{}
		decodeInfo("mptcp_info", data, reflect.ValueOf(v).Elem())
	}
}

// SndWScale returns the window scale for sent data.
func (v TCPInfoValue) SndWScale() int { return int(lowBits(v.WScale, 0, 4)) }

// RcvWScale returns the window scale for received data.
func (v TCPInfoValue) RcvWScale() int { return int(lowBits(v.WScale, 4, 4)) }

// DeliveryRateAppLimited reports whether DeliveryRate was limited because the sender had nothing to send.
func (v TCPInfoValue) DeliveryRateAppLimited() bool { return lowBits(v.AppLimited, 0, 1) != 0 }

// FastOpenClientFail says why fast open failed: a TFO_ number of <linux/tcp.h>, 0 if it worked or was not tried.
func (v TCPInfoValue) FastOpenClientFail() int { return int(lowBits(v.AppLimited, 1, 2)) }

// lowBits returns the bit field that a C compiler places at a bit, counted from the low end, or the high one on big-endian systems.
func lowBits(b uint8, at, width int) uint8 {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		at = 8 - at - width
	}
	return b >> at & (1<<width - 1)
}
