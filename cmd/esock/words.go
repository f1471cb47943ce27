package main

import (
	"maps"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
	"github.com/esock-go/esock/supports"
)

var (
	domainWords   = []string{"inet", "inet6", "local", "netlink", "packet", "vsock"}
	filterWords   = []string{"inet", "inet6", "local", "stream", "dgram", "seqpacket", "sctp", "tcp", "udp"}
	protocolWords = []string{"default", "tcp", "udp", "icmp", "ipv6-icmp", "sctp", "udplite", "mptcp", "raw"}
	typeWords     = []string{"stream", "dgram", "seqpacket", "raw", "rdm"}
)

// wordList returns the words that the arguments and flags with the tag words:"NAME" take.
func wordList(name string) []string {
	switch name {
	case "columns":
		return esock.TableColumns()
	case "commands":
		return commandNames()
	case "domains":
		return domainWords
	case "filters":
		return filterWords
	case "levels":
		return optionLevels()
	case "options":
		return optionNames()
	case "packets":
		return packetNames()
	case "protocols":
		return protocolWords
	case "tables":
		return slices.Sorted(maps.Keys(supports.All().Map()))
	case "types":
		return typeWords
	}
	return nil
}

// commandNames are the commands that can be named in one word.
func commandNames() (names []string) {
	parser, err := newParser(nil, nil, nil)
	if err != nil {
		return nil
	}
	for _, node := range parser.Model.Children {
		names = append(names, node.Name)
	}
	return names
}

// optionLevels are the levels with options by name.
func optionLevels() []string {
	levels := []string{"otp"}
	for o := range sockopt.All() {
		if !slices.Contains(levels, o.Level) {
			levels = append(levels, o.Level)
		}
	}
	return levels
}

// optionNames are the names of options, of all levels.
func optionNames() (names []string) {
	for _, of := range optionsByLevel() {
		names = append(names, of...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// optionsByLevel are the names of options of each level.
func optionsByLevel() map[string][]string {
	names := map[string][]string{"otp": sockopt.OTPNames()}
	for o := range sockopt.All() {
		names[o.Level] = append(names[o.Level], o.Name)
	}
	return names
}

// packetNames are the types that decode_packet/3 knows.
func packetNames() (names []string) {
	for t := packet.Raw; t <= packet.HTTPHBin; t++ {
		names = append(names, t.String())
	}
	return names
}

// socketPackets are the types that a socket can have: TLS records are only decoded.
func socketPackets() []string {
	return slices.DeleteFunc(packetNames(), func(name string) bool { return name == packet.TLS.String() })
}

// completesFiles reports whether a value is the name of a file, and directories whether only that of a directory will do.
func completesFiles(v *kong.Value) (files, directories bool) {
	name := v.Name
	if v.Flag != nil && v.Flag.PlaceHolder != "" {
		name = v.Flag.PlaceHolder
	}
	switch name {
	case "file", "FILE":
		return true, false
	case "dir", "DIR":
		return true, true
	}
	return false, false
}
