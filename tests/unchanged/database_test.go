package unchanged

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/sockopt"
)

// TestDatabase runs a driver against a server of its own.
func TestDatabase(t *testing.T) {
	row(t, "github.com/jackc/pgx/v5", "against PostgreSQL over tcp4 and unix: COPY, batches, transactions, a cancelled query, notifications, a pool")
	server := startPostgres(t)
	for network, host := range map[string]string{"tcp4": server.address, "unix": server.dir} {
		t.Run(network, func(t *testing.T) { useDatabase(t, server.config(t, host)) })
	}
}

func useDatabase(t *testing.T, config *pgxpool.Config) {
	ctx, cancel := context.WithTimeout(background, patience)
	defer cancel()
	pool, err := pgxpool.NewWithConfig(ctx, config)
	require.NoError(t, err)
	defer pool.Close()

	// 10,000 rows go there in one COPY, and come back in one query.
	const rows = 10_000
	_, err = pool.Exec(ctx, "create table things (id int, name text); truncate things")
	require.NoError(t, err)
	defer pool.Exec(ctx, "drop table things")
	name := func(i int) string { return strings.Repeat(fmt.Sprint(i, " "), 20) }
	n, err := pool.CopyFrom(ctx, pgx.Identifier{"things"}, []string{"id", "name"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
		return []any{i, name(i)}, nil
	}))
	require.NoError(t, err)
	assert.EqualValues(t, rows, n)
	got, err := pool.Query(ctx, "select id, name from things order by id")
	require.NoError(t, err)
	count := 0
	for got.Next() {
		var id int
		var text string
		require.NoError(t, got.Scan(&id, &text))
		require.Equal(t, fmt.Sprint(count, name(count)), fmt.Sprint(id, text))
		count++
	}
	require.NoError(t, got.Err())
	assert.Equal(t, rows, count)

	// Eight clients of four connections: prepared statements, batches, and transactions that are taken back.
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for i := range 20 {
				var text string
				if !assert.NoError(t, pool.QueryRow(ctx, "select name from things where id = $1", i).Scan(&text)) {
					return
				}
				assert.Equal(t, name(i), text)
				var batch pgx.Batch
				for k := range 50 {
					batch.Queue("select $1::int + $2::int", k, client)
				}
				results := pool.SendBatch(ctx, &batch)
				for k := range 50 {
					var sum int
					assert.NoError(t, results.QueryRow().Scan(&sum))
					assert.Equal(t, k+client, sum)
				}
				assert.NoError(t, results.Close())
				taken := errors.New("taken back")
				assert.ErrorIs(t, pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "insert into things values (-1, 'none')")
					assert.NoError(t, err)
					return taken
				}), taken)
			}
		})
	}
	clients.Wait()
	var none int
	require.NoError(t, pool.QueryRow(ctx, "select count(*) from things where id < 0").Scan(&none))
	assert.Zero(t, none)

	// A query that a context ends while it waits, and the server notices: nobody sleeps any more.
	c, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer c.Release()
	asleep := "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and query like 'select pg_sleep%' and state = 'active'"
	sleeping := func(want int) {
		for now := -1; now != want; {
			require.NoError(t, c.QueryRow(ctx, asleep).Scan(&now))
		}
	}
	short, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		_, err := pool.Exec(short, "select pg_sleep(600)")
		done <- err
	}()
	sleeping(1)
	end()
	assert.ErrorIs(t, result(t, "the end of the query", done), context.Canceled)
	sleeping(0)

	// A notification reaches a connection that waits.
	_, err = c.Exec(ctx, "listen news")
	require.NoError(t, err)
	_, err = pool.Exec(ctx, "select pg_notify('news', 'something')")
	require.NoError(t, err)
	news, err := c.Conn().WaitForNotification(ctx)
	require.NoError(t, err)
	assert.Equal(t, "something", news.Payload)

	// The socket beneath.
	s, ok := netconn.SocketOf(c.Conn().PgConn().Conn())
	require.True(t, ok, "it is a connection of netconn")
	if c.Conn().PgConn().Conn().RemoteAddr().Network() == "tcp" {
		info, err := sockopt.TCPInfo.Get(s)
		require.NoError(t, err)
		assert.NotZero(t, info.SegsOut)
	}
}

// postgres is a server that runs for the time of a test.
type postgres struct {
	dir     string // with the unix socket
	address string
}

const (
	postgresPort = 20432 // no other server's, on an address of the test's own
	secret       = "an open secret"
)

// config makes the connections of a pool netconn's.
func (p postgres) config(t *testing.T, host string) *pgxpool.Config {
	config, err := pgxpool.ParseConfig("")
	require.NoError(t, err)
	config.MaxConns = 4
	to := &config.ConnConfig.Config
	to.Host, to.Port, to.User, to.Password, to.Database = host, postgresPort, "tester", secret, "postgres"
	to.TLSConfig, to.Fallbacks = nil, nil
	to.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return netconn.Dialer{}.DialContext(ctx, network, address)
	}
	return config
}

// startPostgres starts a server of the system's, as another user if that is root: PostgreSQL refuses to be root.
func startPostgres(t *testing.T) postgres {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	require.NoError(t, err)
	if len(found) == 0 {
		t.Skip("no PostgreSQL in /usr/lib/postgresql, where Debian has it")
	}
	bin := filepath.Dir(slices.Max(found))
	dir, err := os.MkdirTemp("", "pg") // short, for the path of a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, password := filepath.Join(dir, "data"), filepath.Join(dir, "password")
	require.NoError(t, os.WriteFile(password, []byte(secret), 0o600))
	as := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		const nobody = 65534
		as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		require.NoError(t, os.Chown(dir, nobody, nobody))
		require.NoError(t, os.Chown(password, nobody, nobody))
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = dir, as
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
		return cmd
	}
	out, err := command("initdb", "-D", data, "-U", "tester", "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--no-locale",
		"--no-sync").CombinedOutput()
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("another user cannot run %s or reach %s: %v", bin, dir, err)
	}
	require.NoError(t, err, "%s", out)

	// The loopback has 2^24 addresses; one that follows from the process's number is nobody else's.
	p := postgres{dir, fmt.Sprintf("127.%d.%d.%d", 64+pid>>16&63, pid>>8&255, pid&255)}
	server := command("postgres", "-D", data, "-k", dir, "-h", p.address, "-p", fmt.Sprint(postgresPort), "-F", "-c", "shared_buffers=16MB",
		"-c", "dynamic_shared_memory_type=mmap")
	log, err := server.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	ready, ended := make(chan bool, 1), make(chan string, 1)
	go func() {
		var said strings.Builder
		for in := bufio.NewScanner(log); in.Scan(); {
			fmt.Fprintln(&said, in.Text())
			if strings.Contains(in.Text(), "ready to accept connections") {
				ready <- true
			}
		}
		close(ready)
		ended <- said.String()
	}()
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt) // what PostgreSQL calls a fast shutdown
		said := result(t, "the end of PostgreSQL", ended)
		assert.NoError(t, server.Wait(), "%s", said)
	})
	if !result(t, "the start of PostgreSQL", ready) {
		t.Fatal("PostgreSQL has ended before it was ready")
	}
	return p
}
