%% The Erlang half of the interop suite. It reads steps, one a line, and answers each with one line:
%%
%%     TAG \t SCENE \t ACTOR \t CALL      ->      TAG \t RESULT
%%
%% An actor is a process: it makes the calls, owns sockets, and has a mailbox. Its name begins with the letter of its
%% role; the variables of a role ("S = accept(L)") are shared by its actors. CALL is an Erlang expression; what the
%% functions do is in do/3. Everything uses gen_tcp with {inet_backend, socket}.
-module(actor).
-export([main/0]).

%% How long to wait for what must come. Only a test that fails waits that long.
-define(PATIENCE, 60000).

main() ->
    register(actor, self()),
    Port = open_port({fd, 0, 1}, [binary, eof, {line, 1 bsl 16}]),
    answer(Port, <<"hello">>, erlang:system_info(otp_release)),
    serve(Port, #{}).

%% Known: {Scene, Actor} => pid, {Scene, role, Role} => the table of the role's variables.
serve(Port, Known) ->
    receive
        {Port, {data, {eol, Line}}} ->
            [Tag, Scene, Actor, Text] = binary:split(Line, <<"\t">>, [global]),
            serve(Port, step(Port, Known, Tag, Scene, Actor, binary_to_list(Text)));
        {pid_of, From, Scene, Actor} ->
            {Pid, Known1} = actor_of(Port, Known, Scene, Actor),
            From ! {pid_is, Pid},
            serve(Port, Known1);
        {Port, eof} ->
            halt(0)
    end.

step(Port, Known, Tag, Scene, _, "end()") ->
    Mine = [K || K <- maps:keys(Known), element(1, K) =:= Scene],
    [stop(maps:get(K, Known)) || K <- Mine],
    answer(Port, Tag, "ok"),
    maps:without(Mine, Known);
step(Port, Known, Tag, Scene, Actor, "exit()") ->
    {Pid, Known1} = actor_of(Port, Known, Scene, Actor),
    stop(Pid),
    answer(Port, Tag, "ok"),
    maps:remove({Scene, Actor}, Known1);
step(Port, Known, Tag, Scene, Actor, Text) ->
    {Pid, Known1} = actor_of(Port, Known, Scene, Actor),
    Pid ! {'$do', Tag, Text},
    Known1.

stop(Pid) when is_pid(Pid) ->
    Ref = monitor(process, Pid),
    exit(Pid, kill),
    receive {'DOWN', Ref, process, Pid, _} -> ok end;
stop(Tab) ->
    ets:delete(Tab).

actor_of(Port, Known, Scene, Actor) ->
    case Known of
        #{{Scene, Actor} := Pid} ->
            {Pid, Known};
        #{} ->
            Role = {Scene, role, binary:first(Actor)},
            Tab = case Known of
                      #{Role := T} -> T;
                      #{} -> ets:new(vars, [public])
                  end,
            Pid = spawn(fun() -> actor(Port, Scene, Tab) end),
            {Pid, Known#{Role => Tab, {Scene, Actor} => Pid}}
    end.

%% One write to the port per answer, so that answers of different processes do not mix.
answer(Port, Tag, Text) ->
    Port ! {server(), {command, [Tag, $\t, Text, $\n]}},
    ok.

server() -> whereis(actor).

actor(Port, Scene, Tab) ->
    receive
        {'$do', Tag, Text} ->
            Result = try run(Scene, Tab, Text)
                     catch Class:Reason:Stack -> {crashed, Class, {Reason, Stack}}
                     end,
            answer(Port, Tag, show(Tab, Result)),
            actor(Port, Scene, Tab)
    end.

%% Evaluates "fun(Args)" or "Var = fun(Args)". A variable takes V of {ok, V}, and RestData of a send timeout.
run(Scene, Tab, Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, [Form]} = erl_parse:parse_exprs(Tokens),
    {Var, {call, _, {atom, _, Name}, Forms}} =
        case Form of
            {match, _, {var, _, V}, Call} -> {V, Call};
            Call -> {none, Call}
        end,
    Bindings = orddict:from_list(ets:tab2list(Tab)),
    Args = [begin {value, X, _} = erl_eval:expr(F, Bindings, {value, fun data/2}), X end || F <- Forms],
    Result = try do(Name, Args, Scene)
             catch
                 exit:badarg -> {error, badarg};
                 error:badarg -> {error, badarg};
                 error:function_clause -> {error, badarg}
             end,
    case {Var, Result} of
        {none, {error, {timeout, _}}} -> {error, {timeout, rest}};
        {none, _} -> Result;
        {_, {ok, Value}} -> ets:insert(Tab, {Var, Value}), ok;
        {_, {error, {timeout, Rest}}} -> ets:insert(Tab, {Var, Rest}), {error, {timeout, rest}};
        {_, _} -> Result
    end.

%% What arguments may call.
data(pattern, [N]) -> pattern(N);
data(dup, [Bytes, N]) -> binary:copy(iolist_to_binary(Bytes), N).

%% N bytes that are the same in both languages.
pattern(N) ->
    Unit = list_to_binary(lists:seq(0, 250)),
    binary:part(binary:copy(Unit, N div 251 + 1), 0, N).

backend(Opts) -> [{inet_backend, socket} | Opts].

do(listen, [Opts], _) -> gen_tcp:listen(0, backend(Opts));
do(listen, [Port, Opts], _) -> gen_tcp:listen(Port, backend(Opts));
do(connect, [Port, Opts], _) -> gen_tcp:connect({127, 0, 0, 1}, Port, backend(Opts), ?PATIENCE);
do(connect, [Host, Port, Opts], _) -> gen_tcp:connect(Host, Port, backend(Opts), ?PATIENCE);
do(connect, [Host, Port, Opts, Time], _) -> gen_tcp:connect(Host, Port, backend(Opts), Time);
do(accept, [L], _) -> gen_tcp:accept(L, ?PATIENCE);
do(accept, [L, Time], _) -> gen_tcp:accept(L, Time);
do(send, [S, Data], _) -> gen_tcp:send(S, Data);
do(recv, [S, Length], _) -> gen_tcp:recv(S, Length, ?PATIENCE);
do(recv, [S, Length, Time], _) -> gen_tcp:recv(S, Length, Time);
do(shutdown, [S, How], _) -> gen_tcp:shutdown(S, How);
do(close, [S], _) -> gen_tcp:close(S);
do(setopts, [S, Opts], _) -> inet:setopts(S, Opts);
do(getopts, [S, Names], _) -> inet:getopts(S, Names);
do(getstat, [S, Names], _) -> inet:getstat(S, Names);
do(sockname, [S], _) -> inet:sockname(S);
do(peername, [S], _) -> inet:peername(S);
do(port, [S], _) -> inet:port(S);
do(controlling_process, [S, Actor], Scene) ->
    actor ! {pid_of, self(), Scene, atom_to_binary(Actor)},
    Pid = receive {pid_is, P} -> P end,
    gen_tcp:controlling_process(S, Pid);
do(sendfile, [Path, S], _) -> file:sendfile(Path, S);
do(sendfile, [Path, S, Offset, Bytes], _) ->
    {ok, File} = file:open(Path, [read, raw, binary]),
    Result = file:sendfile(File, S, Offset, Bytes, []),
    file:close(File),
    Result;
%% msgs(N) waits for N messages, flush() takes those that are there.
do(msgs, [N], _) -> messages(N, ?PATIENCE);
do(flush, [], _) -> messages(-1, 0);
%% pending(N, Sockets) waits until N messages (of that many sockets) are there, and leaves them.
do(pending, [N | _], _) ->
    eventually(fun() -> {_, Len} = process_info(self(), message_queue_len), Len >= N end);
%% collect(S, N) waits for N bytes of data messages, however they are cut.
do(collect, [S, N], _) -> collect(S, N, <<>>);
%% waiting(S, Kind, N) waits until N calls wait on the OS socket: readers, writers or acceptors.
do(waiting, [{'$inet', _, {_, S}}, Kind, N], _) ->
    Key = maps:get(Kind, #{readers => num_readers, writers => num_writers, acceptors => num_acceptors}),
    eventually(fun() -> maps:get(Key, socket:info(S)) >= N end);
%% full(S) sends, raw, until nothing is taken any more for twice as long as Linux needs to send what the window has room for.
do(full, [S], _) ->
    inet:setopts(S, [{packet, raw}, {send_timeout, 400}]),
    full(S, pattern(4000), 2);
%% tried(S) waits until a receive has been tried.
do(tried, [{'$inet', _, {_, S}}], _) ->
    eventually(fun() -> #{counters := #{read_tries := N}} = socket:info(S), N > 0 end);
do(is, [Data, Data], _) -> ok;
do(is, [Other, _], _) -> {error, Other};
%% connect_refused(Port) waits until the port has no listener.
do(connect_refused, [Port], _) ->
    eventually(fun() -> gen_tcp:connect({127, 0, 0, 1}, Port, backend([])) =:= {error, econnrefused} end);
%% send_until_error sends until that fails, recv_until_error receives.
do(send_until_error, [S, Data], _) -> send_until_error(S, Data, erlang:monotonic_time(millisecond) + ?PATIENCE);
do(recv_until_error, [S], _) -> recv_until_error(S, 0);
%% drip(S, Data) sends one byte at a time.
do(drip, [S, Data], _) -> [ok = gen_tcp:send(S, <<B>>) || <<B>> <= iolist_to_binary(Data)], ok;
%% The big ones. Sums are CRC-32 of all bytes (of the packets' bodies).
do(send_bulk, [S, Bytes, Chunk], _) -> send_bulk(S, Bytes, pattern(Chunk), erlang:crc32(<<>>), 0);
do(recv_bulk, [S, Bytes], _) -> recv_bulk(S, Bytes, erlang:crc32(<<>>), 0);
do(collect_bulk, [S, Bytes], _) -> collect_bulk(S, Bytes, erlang:crc32(<<>>), 0);
do(echo_server, [L, Conns], _) -> echo_server(L, Conns);
do(echo_clients, [Port, Conns, Messages], _) -> echo_clients(Port, Conns, Messages).

messages(0, _) -> [];
messages(N, Time) ->
    receive
        M when element(1, M) =/= '$do' -> [M | messages(N - 1, Time)]
    after Time -> []
    end.

collect(_, N, Got) when byte_size(Got) >= N -> {ok, Got};
collect(S, N, Got) ->
    receive
        {tcp, S, Data} -> collect(S, N, <<Got/binary, (iolist_to_binary(Data))/binary>>);
        {S, {data, Data}} -> collect(S, N, <<Got/binary, (iolist_to_binary(Data))/binary>>)
    after ?PATIENCE -> {error, Got}
    end.

eventually(Cond) -> eventually(Cond, erlang:monotonic_time(millisecond) + ?PATIENCE).

eventually(Cond, Deadline) ->
    case Cond() of
        true -> ok;
        false ->
            case erlang:monotonic_time(millisecond) < Deadline of
                true -> receive after 1 -> eventually(Cond, Deadline) end;
                false -> {error, never}
            end
    end.

send_until_error(S, Data, Deadline) ->
    case gen_tcp:send(S, Data) of
        ok ->
            case erlang:monotonic_time(millisecond) < Deadline of
                true -> send_until_error(S, Data, Deadline);
                false -> ok
            end;
        {error, {timeout, Rest}} -> {error, {timeout, Rest}};
        Error -> Error
    end.

recv_until_error(S, N) ->
    case gen_tcp:recv(S, 0, ?PATIENCE) of
        {ok, Data} -> recv_until_error(S, N + iolist_size(Data));
        {error, Reason} -> {N, Reason}
    end.

full(_, _, 0) -> ok;
full(S, Data, N) ->
    case gen_tcp:send(S, Data) of
        {error, {timeout, Rest}} ->
            case iolist_size(Rest) =:= byte_size(Data) of
                true -> full(S, Data, N - 1);
                false -> full(S, Data, 2)
            end;
        ok -> full(S, Data, 2);
        Error -> Error
    end.

send_bulk(_, Bytes, _, Crc, Sent) when Sent >= Bytes -> {ok, {Sent, Crc}};
send_bulk(S, Bytes, Chunk, Crc, Sent) ->
    Part = binary:part(Chunk, 0, min(byte_size(Chunk), Bytes - Sent)),
    case gen_tcp:send(S, Part) of
        ok -> send_bulk(S, Bytes, Chunk, erlang:crc32(Crc, Part), Sent + byte_size(Part));
        Error -> Error
    end.

recv_bulk(_, Bytes, Crc, Got) when Got >= Bytes -> {ok, {Got, Crc}};
recv_bulk(S, Bytes, Crc, Got) ->
    case gen_tcp:recv(S, 0, ?PATIENCE) of
        {ok, Data} -> recv_bulk(S, Bytes, erlang:crc32(Crc, Data), Got + iolist_size(Data));
        Error -> Error
    end.

collect_bulk(_, Bytes, Crc, Got) when Got >= Bytes -> {ok, {Got, Crc}};
collect_bulk(S, Bytes, Crc, Got) ->
    receive
        {tcp, S, Data} -> collect_bulk(S, Bytes, erlang:crc32(Crc, Data), Got + iolist_size(Data));
        {tcp_passive, S} -> inet:setopts(S, [{active, 10}]), collect_bulk(S, Bytes, Crc, Got);
        {tcp_closed, S} -> {error, closed}
    after ?PATIENCE -> {error, {Got, timeout}}
    end.

%% Accepts Conns connections, echoes what each says until its end, and returns the number of messages.
echo_server(L, Conns) ->
    Me = self(),
    Pids = [spawn_link(fun() ->
                               {ok, S} = gen_tcp:accept(L, ?PATIENCE),
                               Me ! {'$echoed', self(), echo(S, 0)}
                       end) || _ <- lists:seq(1, Conns)],
    Counts = [receive {'$echoed', Pid, N} -> N after ?PATIENCE -> 0 end || Pid <- Pids],
    {ok, lists:sum(Counts)}.

echo(S, N) ->
    case gen_tcp:recv(S, 0, ?PATIENCE) of
        {ok, Data} -> ok = gen_tcp:send(S, Data), echo(S, N + 1);
        {error, closed} -> gen_tcp:close(S), N
    end.

%% Conns connections at the same time, each sends Messages messages and checks that each comes back.
echo_clients(Port, Conns, Messages) ->
    Me = self(),
    Pids = [spawn_link(fun() -> Me ! {'$good', self(), echo_client(Port, I, Messages)} end)
            || I <- lists:seq(1, Conns)],
    {ok, lists:sum([receive {'$good', Pid, N} -> N after ?PATIENCE -> 0 end || Pid <- Pids])}.

echo_client(Port, I, Messages) ->
    {ok, S} = gen_tcp:connect({127, 0, 0, 1}, Port, backend([binary, {packet, 4}, {active, once}]), ?PATIENCE),
    Good = lists:sum([echo_one(S, <<I:32, M:32, (pattern((I * 131 + M * 17) rem 3000))/binary>>)
                      || M <- lists:seq(1, Messages)]),
    gen_tcp:close(S),
    Good.

echo_one(S, Data) ->
    ok = gen_tcp:send(S, Data),
    receive {tcp, S, Data} -> inet:setopts(S, [{active, once}]), 1
    after ?PATIENCE -> 0
    end.

%% The one form of results that both languages print.
show(Tab, {'$inet', _, _} = S) ->
    case ets:match(Tab, {'$1', S}) of
        [[Var] | _] -> atom_to_list(Var);
        [] -> "unnamed_socket"
    end;
show(_, A) when is_atom(A) -> io_lib:write_atom(A);
show(_, I) when is_integer(I) -> integer_to_list(I);
show(_, B) when is_binary(B) -> string(B);
show(_, []) -> "\"\"";
show(Tab, L) when is_list(L) ->
    case head_and_tail(L, []) of
        {bytes, Bytes} -> string(Bytes);
        {header, Head, Tail} -> ["{header,", string(Head), $,, string(Tail), $}];
        terms -> [$[, lists:join($,, [show(Tab, E) || E <- L]), $]]
    end;
show(Tab, T) when is_tuple(T) -> [${, lists:join($,, [show(Tab, E) || E <- tuple_to_list(T)]), $}];
show(_, T) when is_pid(T) -> "pid";
show(_, T) when is_reference(T) -> "ref";
show(_, T) when is_function(T) -> "function";
show(_, T) when is_map(T) -> "map".

head_and_tail([B | T], Acc) when is_integer(B), B >= 0, B =< 255 -> head_and_tail(T, [B | Acc]);
head_and_tail([], Acc) -> {bytes, list_to_binary(lists:reverse(Acc))};
head_and_tail(T, Acc) when is_binary(T) -> {header, list_to_binary(lists:reverse(Acc)), T};
head_and_tail(_, _) -> terms.

string(B) when byte_size(B) > 80 -> io_lib:format("{bytes,~b,~b}", [byte_size(B), erlang:crc32(B)]);
string(B) -> [$", [escape(C) || <<C>> <= B], $"].

escape($") -> "\\\"";
escape($\\) -> "\\\\";
escape(C) when C >= 32, C < 127 -> C;
escape(C) -> io_lib:format("\\x~2.16.0b", [C]).
