package main

// example is a line for the shell, and what it does.
type example struct{ what, line string }

// examples are those of the commands, by their names.
var examples = map[string][]example{
	"": {{"See what the library does:", "esock demo"}},
	"demo": {
		{"Send a file of your own:", "esock demo /etc/services"},
		{"Look at one step of the report:", "esock demo --json | jq '.steps[3]'"},
	},
	"i": {
		{"Only what TCP sockets have received:", "esock i fd recv state --filter tcp"},
	},
	"info": {{"How many buffers one call takes:", "esock info --json | jq .iov_max"}},
	"opt get": {
		{"An option by name, and by its numbers:", "esock opt get tcp nodelay"},
		{"", "esock opt get 6 1"},
	},
	"opt set": {
		{"Set an option and see what the kernel makes of it:", "esock opt set socket rcvbuf 4096"},
		{"A structure:", "esock opt set socket linger onoff=true,linger=5"},
	},
	"options": {
		{"The options of one level:", "esock options --level tcp"},
		{"What works with this kernel:", "esock options --level tcp --probe"},
	},
	"supports": {
		{"The options of one level:", "esock supports options tcp"},
		{"One feature, for a script:", "esock supports sctp"},
	},
	"packet decode": {
		{"A request that is typed in hexadecimal:", "esock packet decode --type 4 --hex 000000026f6b"},
		{"One that comes from a program:", "printf 'GET / HTTP/1.1\\r\\n' |\n  esock packet decode --type http"},
	},
	"ifs": {{"The names, for a script:", "esock ifs --json | jq -r '.[].name'"}},
	"ss": {
		{"Who listens on TCP, and on which port:", "esock ss -t -l -p"},
		{"Connections to a port, with what TCP knows of them:", "esock ss -t -i dport 443"},
		{"What comes and goes:", "esock ss --watch port 8080"},
	},
	"watch": {
		{"Print what arrives on a port:", "esock watch --addr 127.0.0.1:5678"},
		{"The next datagram alone, as JSON:", "esock watch --count 1 --json"},
		{"What is announced by mDNS on an interface:", "esock watch --addr :5353 --group 224.0.0.251%eth0"},
	},
	"listen": {
		{"Wait for a connection, and print what it sends:", "esock listen 5678"},
		{"Receive a file:", "esock listen 5678 > file"},
		{"Go on listening, with TLS:", "esock listen -k --tls --cert cert.pem --key key.pem 5678"},
		{"Print datagrams:", "esock listen -u -k 5678"},
	},
	"connect": {
		{"Talk to a server:", "esock connect localhost 5678"},
		{"Ask a web server:", "printf 'HEAD / HTTP/1.0\\r\\n\\r\\n' |\n  esock connect -c example.org:443"},
		{"Send packets with a length of four bytes:", "echo hello | esock connect -p 4 localhost:5678"},
		{"Send a datagram, and wait a second for an answer:", "echo hello | esock connect -u -w 1 localhost 5678"},
	},
	"sendfile": {
		{"Send a file to esock listen:", "esock sendfile localhost 5678 /etc/services"},
		{"Give up when the peer is silent for 10 seconds:", "esock sendfile -w 10 localhost:5678 /etc/services"},
	},
	"serve": {
		{"Serve this directory to this machine:", "esock serve . --port 8080"},
		{"To the network, with HTTPS:", "esock serve . --addr :8443 --cert cert.pem --key key.pem"},
		{"On a Unix domain socket:", "esock serve . --unix /tmp/files"},
	},
	"completion": {
		{"In this shell:", "source <(esock completion bash)"},
		{"In all shells to come, for fish:", "cd ~/.config/fish/completions\nesock completion fish > esock.fish"},
	},
	"man": {
		{"Read it:", "esock man | man -l -"},
		{"Install it:", "esock man > /usr/local/share/man/man1/esock.1"},
	},
	"help":    {{"The help of one command:", "esock help opt set"}},
	"version": {{"As JSON:", "esock version --json"}},
}
