%% The Erlang half of the comparison of decoders. It reads calls of erlang:decode_packet/3, one a line, and answers each
%% with its result, one line of JSON in the form of package packetjson:
%%
%%     TYPE PACKET_SIZE LINE_LENGTH LINE_DELIMITER HEX      ->      {"tag": "ok", ...}
%%
%% An option that is "-" is not given.
-module(decoder).
-export([main/0]).

main() ->
    Port = open_port({fd, 0, 1}, [binary, eof, {line, 1 bsl 16}]),
    port_command(Port, [erlang:system_info(otp_release), $\n]),
    serve(Port).

serve(Port) ->
    receive
        {Port, {data, {eol, Line}}} ->
            [Type, Size, Length, Delimiter, Hex] = binary:split(Line, <<" ">>, [global]),
            Options = option(packet_size, Size) ++ option(line_length, Length) ++ option(line_delimiter, Delimiter),
            port_command(Port, [result(type(Type), bytes(Hex), Options), $\n]),
            serve(Port);
        {Port, eof} ->
            halt(0)
    end.

type(<<D>>) when $0 =< D, D =< $9 -> D - $0;
type(Name) -> binary_to_atom(Name, latin1).

option(_, <<"-">>) -> [];
option(Name, Digits) -> [{Name, binary_to_integer(Digits)}].

bytes(Hex) -> << <<(binary_to_integer(<<A, B>>, 16))>> || <<A, B>> <= Hex >>.

result(Type, Bytes, Options) ->
    try erlang:decode_packet(Type, Bytes, Options) of
        {ok, Packet, Rest} -> object([{"tag", text("ok")}, {"packet", packet(Packet)}, {"rest", hex(Rest)}]);
        {more, undefined} -> object([{"tag", text("more")}, {"length", "null"}]);
        {more, Length} -> object([{"tag", text("more")}, {"length", number(Length)}]);
        {error, Reason} -> object([{"tag", text("error")}, {"reason", text(atom_to_list(Reason))}])
    catch
        error:badarg -> object([{"tag", text("badarg")}])
    end.

packet(Data) when is_binary(Data) ->
    kind("data", [{"hex", hex(Data)}]);
packet({ssl_tls, [], Type, {Major, Minor}, Data}) ->
    kind("ssl_tls", [{"content_type", number(Type)}, {"version", version({Major, Minor})}, {"hex", hex(Data)}]);
packet({http_request, Method, Uri, Version}) ->
    kind("http_request", [{"method", name(Method)}, {"uri", uri(Uri)}, {"version", version(Version)}]);
packet({http_response, Version, Status, Phrase}) ->
    kind("http_response", [{"version", version(Version)}, {"status", number(Status)}, {"phrase", text(Phrase)}]);
packet({http_header, Index, Field, Unmodified, Value}) ->
    kind("http_header", [{"index", number(Index)}, {"field", name(Field)}, {"unmodified", text(Unmodified)},
                         {"value", text(Value)}]);
packet({http_error, Line}) ->
    kind("http_error", [{"line", text(Line)}]);
packet(http_eoh) ->
    kind("http_eoh", []).

kind(Kind, Members) -> object([{"kind", text(Kind)} | Members]).

uri('*') -> kind("star", []);
uri({abs_path, Path}) -> kind("abs_path", [{"path", text(Path)}]);
uri({absoluteURI, Scheme, Host, Port, Path}) ->
    kind("absoluteURI", [{"scheme", text(atom_to_list(Scheme))}, {"host", text(Host)}, {"port", port(Port)},
                         {"path", text(Path)}]);
uri({scheme, Scheme, Rest}) -> kind("scheme", [{"scheme", text(Scheme)}, {"string", text(Rest)}]);
uri(String) -> kind("string", [{"value", text(String)}]).

port(undefined) -> "null";
port(Port) -> number(Port).

name(Atom) when is_atom(Atom) -> object([{"atom", text(atom_to_list(Atom))}]);
name(String) -> object([{"string", text(String)}]).

version({Major, Minor}) -> [$[, number(Major), ", ", number(Minor), $]].

number(N) -> integer_to_list(N).

hex(Bytes) -> [$", [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bytes], $"].

object(Members) -> [${, lists:join(", ", [[$", Key, "\": ", Value] || {Key, Value} <- Members]), $}].

%% A JSON string with a character for each byte.
text(Bytes) when is_binary(Bytes) -> text(binary_to_list(Bytes));
text(Bytes) -> [$", [char(B) || B <- Bytes], $"].

char($") -> "\\\"";
char($\\) -> "\\\\";
char(B) when $\s =< B, B < 127 -> B;
char(B) -> io_lib:format("\\u~4.16.0b", [B]).
