package sockopt

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"github.com/esock-go/esock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProbeAnswersForEveryRowAndKindAndLeavesNothingOpen(t *testing.T) {
	before, sockets := len(descriptors()), esock.Info().Gauges.Sockets
	count := map[ProbeResult]int{}
	var rows int
	for p := range ProbeAll() {
		name := p.Option.Level + "." + p.Option.Name
		assert.Equal(t, optionRows[rows].Name, p.Option.Name)
		rows++
		count[p.Result]++
		var kinds Kinds
		best := ProbeNoSocket
		for _, a := range p.Answers {
			kinds |= a.Kind
			best = min(best, a.Result)
			if a.Kind != KindSCTP { // whose answers depend on how the kernel is set up
				assert.NotEqual(t, ProbeDiffers, a.Result, "%s on %v", name, a.Kind)
			}
			if !a.Result.Works() {
				assert.NotEmpty(t, a.Why, "%s on %v", name, a.Kind)
			}
		}
		assert.Equal(t, p.Option.Kinds, kinds, name)
		assert.Equal(t, best, p.Result, name)
		if !p.Option.CanGet || !p.Option.CanSet && !p.Option.Asks {
			assert.NotEqual(t, ProbeRoundTrips, p.Result, name)
		}
	}
	assert.Equal(t, len(optionRows), rows)
	assert.Positive(t, count[ProbeRoundTrips], "%v", count)
	assert.LessOrEqual(t, len(descriptors()), before)
	assert.Equal(t, sockets, esock.Info().Gauges.Sockets)
	t.Logf("%d rows: %v", rows, count)
}

func TestProbeOfALevelAndWhatIsNotTakenUp(t *testing.T) {
	for p := range ProbeAll("udp", "raw") {
		assert.Contains(t, []string{"udp", "raw"}, p.Option.Level)
		break
	}
	assert.Empty(t, slices.Collect(ProbeAll("no such level")))
}

func TestProbeJudgesByTheKernelsAnswer(t *testing.T) {
	plain, peer, repair, admin := &Info{}, &Info{Needs: "connected"}, &Info{Needs: "repair"},
		&Info{Needs: "CAP_NET_ADMIN"}
	for _, c := range []struct {
		o    *Info
		err  error
		want ProbeResult
		why  string
	}{
		{plain, nil, ProbeSets, ""},
		{plain, syscall.ENOPROTOOPT, ProbeLacks, "the kernel answers protocol not available"},
		{peer, syscall.EOPNOTSUPP, ProbeLacks, "the kernel answers operation not supported"},
		{plain, syscall.ENOTCONN, ProbeState, "the socket must be connected"},
		{peer, syscall.EINVAL, ProbeState, "the socket must be connected"},
		{repair, syscall.EPERM, ProbeState, "tcp.repair must be on"},
		{admin, syscall.EPERM, ProbePrivilege, "needs CAP_NET_ADMIN"},
		{plain, syscall.EACCES, ProbePrivilege, "the kernel answers permission denied"},
		{plain, syscall.EINVAL, ProbeRefused, "the kernel answers invalid argument"},
		{plain, &esock.InvalidError{What: "kind"}, ProbeRefused, (&esock.InvalidError{What: "kind"}).Error()},
	} {
		r, why := c.o.judge(c.err)
		assert.Equal(t, c.want, r, "%v", c.err)
		assert.Equal(t, c.why, why, "%v", c.err)
	}
}

func TestProbeResultsAreWords(t *testing.T) {
	for _, r := range ProbeResults() {
		b, err := json.Marshal(r)
		require.NoError(t, err)
		assert.Equal(t, `"`+r.String()+`"`, string(b))
		assert.NotRegexp(t, `^\d`, r.String())
	}
	assert.Len(t, ProbeResults(), int(ProbeNoSocket)+1)
	assert.True(t, ProbeSets.Works())
	assert.False(t, ProbePrivilege.Works())
}

// The same process without capabilities of the network: what needs them says so.
func TestProbeWithoutPrivilege(t *testing.T) {
	const child = "ESOCK_PROBE_CHILD"
	if os.Getenv(child) == "" {
		setpriv, err := exec.LookPath("setpriv")
		if err != nil || os.Geteuid() != 0 {
			t.Skip("taking capabilities away needs setpriv, and root")
		}
		self, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.Command(setpriv, "--bounding-set=-net_admin,-net_raw", "--inh-caps=-net_admin,-net_raw",
			self, "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: "+t.Name())
		return
	}
	results := map[string]Probe{}
	for p := range ProbeAll("socket", "ip", "raw") {
		results[p.Option.Level+"."+p.Option.Name] = p
	}
	for name, why := range map[string]string{
		"socket.sndbufforce": "needs CAP_NET_ADMIN",
		"ip.transparent":     "needs CAP_NET_ADMIN",
		"raw.icmp_filter":    "a socket of kind raw4 needs CAP_NET_RAW",
	} {
		assert.Equal(t, ProbePrivilege, results[name].Result, "%s: %s", name, results[name].Why)
		assert.Equal(t, why, results[name].Why)
	}
	assert.Equal(t, ProbeRoundTrips, results["socket.keepalive"].Result)
}
