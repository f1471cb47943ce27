%% The Erlang side of the benchmarks.
%%
%%   erl -noshell -run bench_peer decode TYPE FILE
%%       decodes the packets of FILE with erlang:decode_packet/3. For each number that comes on standard input it goes
%%       on for so many milliseconds and prints how many times it had the whole file, the microseconds, and the packets.
%%   erl -noshell -run bench_peer echo BACKEND passive|active
%%       prints the port that it listens on, then echoes packets of {packet, 4} on any number of connections.
%%
%% Both end with standard input.
-module(bench_peer).
-export([decode/1, echo/1]).

decode([Type, File]) ->
    {ok, Bytes} = file:read_file(File),
    Loop = case Type of
        "4" -> fun(Ms) -> frames(Bytes, Ms) end;
        "line" -> fun(Ms) -> lines(Bytes, Ms) end;
        "http_bin" -> fun(Ms) -> heads(Bytes, Ms) end
    end,
    io:format("~b~n", [byte_size(Bytes)]),
    turns(Loop).

turns(Loop) ->
    case io:get_line("") of
        eof ->
            halt();
        Line ->
            Ms = list_to_integer(string:trim(Line)),
            %% A process of its own, as a connection would have, with room for what a pass makes.
            Self = self(),
            spawn_opt(fun() -> Self ! {turn, timed(Loop, Ms)} end, [{min_heap_size, 1 bsl 18}]),
            receive
                {turn, {Passes, Micros, Packets}} -> io:format("~b ~b ~b~n", [Passes, Micros, Packets])
            end,
            turns(Loop)
    end.

timed(Loop, Ms) ->
    Start = erlang:monotonic_time(),
    {Passes, Packets} = Loop(Start + erlang:convert_time_unit(Ms, millisecond, native)),
    {Passes, erlang:convert_time_unit(erlang:monotonic_time() - Start, native, microsecond), Packets}.

frames(Bytes, End) -> passes(fun() -> frame(Bytes, 0) end, End, 0, 0).
lines(Bytes, End) -> passes(fun() -> line(Bytes, 0) end, End, 0, 0).
heads(Bytes, End) -> passes(fun() -> head(Bytes, 0) end, End, 0, 0).

passes(Pass, End, Passes, Packets) ->
    N = Pass(),
    case erlang:monotonic_time() >= End of
        true -> {Passes + 1, Packets + N};
        false -> passes(Pass, End, Passes + 1, Packets + N)
    end.

frame(Bytes, N) ->
    case erlang:decode_packet(4, Bytes, []) of
        {ok, <<_:64/binary>>, Rest} -> frame(Rest, N + 1);
        {more, _} -> N
    end.

line(Bytes, N) ->
    case erlang:decode_packet(line, Bytes, []) of
        {ok, _, Rest} -> line(Rest, N + 1);
        {more, _} -> N
    end.

head(Bytes, N) ->
    case erlang:decode_packet(http_bin, Bytes, []) of
        {ok, {http_request, _, _, _}, Rest} -> header(Rest, N);
        {more, _} -> N
    end.

header(Bytes, N) ->
    case erlang:decode_packet(httph_bin, Bytes, []) of
        {ok, http_eoh, Rest} -> head(Rest, N + 1);
        {ok, {http_header, _, _, _, _}, Rest} -> header(Rest, N)
    end.

echo([Backend, Mode]) ->
    Active = Mode =:= "active",
    {ok, L} = gen_tcp:listen(0, [{inet_backend, list_to_atom(Backend)}, inet, binary, {ip, {127, 0, 0, 1}},
        {packet, 4}, {active, false}, {nodelay, true}, {backlog, 1024}]),
    {ok, Port} = inet:port(L),
    spawn_link(fun() -> acceptor(L, Active) end),
    io:format("~b~n", [Port]),
    eof = io:get_line(""),
    halt().

acceptor(L, Active) ->
    {ok, S} = gen_tcp:accept(L),
    Pid = spawn(fun() -> receive go -> connection(S, Active) end end),
    ok = gen_tcp:controlling_process(S, Pid),
    Pid ! go,
    acceptor(L, Active).

connection(S, false) ->
    passive(S);
connection(S, true) ->
    ok = inet:setopts(S, [{active, true}]),
    active(S).

passive(S) ->
    case gen_tcp:recv(S, 0) of
        {ok, Packet} ->
            ok = gen_tcp:send(S, Packet),
            passive(S);
        {error, _} ->
            gen_tcp:close(S)
    end.

active(S) ->
    receive
        {tcp, S, Packet} ->
            ok = gen_tcp:send(S, Packet),
            active(S);
        {tcp_closed, S} ->
            ok;
        {tcp_error, S, _} ->
            active(S)
    end.
