#!/usr/bin/env escript
%%! -noinput
%% What libcluster's gossip does on the wire, with Erlang's own libraries alone:
%%     escript libcluster_gossip.erl GROUP PORT INTERFACE SECRET NAME
%% It says NAME every 100 ms and prints, for each packet,
%%     accept NAME KEY...    its map's other keys, where a libcluster node would connect to NAME
%%     ignore                where it would pass it over
%%     crash                 where its process would end
%% SECRET - is none; NAME - only listens. It ends when its parent closes standard output.

main([Group, Port, Interface, Secret, Name]) ->
    {ok, To} = inet:parse_ipv4_address(Group),
    {ok, Via} = inet:parse_ipv4_address(Interface),
    {ok, Socket} = gen_udp:open(list_to_integer(Port),
                                [binary, {active, true}, {ip, {0, 0, 0, 0}}, {reuseaddr, true}, {multicast_if, Via},
                                 {multicast_ttl, 0}, {multicast_loop, true}, {add_membership, {To, Via}}]),
    Key = case Secret of "-" -> none; _ -> crypto:hash(sha256, Secret) end,
    io:format("up~n"),
    self() ! say,
    loop(Socket, To, list_to_integer(Port), Key, Name).

loop(Socket, To, Port, Key, Name) ->
    receive
        say when Name =:= "-" ->
            loop(Socket, To, Port, Key, Name);
        say ->
            Plain = [<<"heartbeat::">>, term_to_binary(#{node => list_to_atom(Name)})],
            ok = gen_udp:send(Socket, To, Port, encipher(Plain, Key)),
            erlang:send_after(100, self(), say),
            loop(Socket, To, Port, Key, Name);
        {udp, Socket, _, _, Packet} ->
            heard(decipher(Packet, Key)),
            loop(Socket, To, Port, Key, Name)
    end.

encipher(Plain, none) ->
    Plain;
encipher(Plain, Key) ->
    Iv = crypto:strong_rand_bytes(16),
    [Iv, crypto:crypto_one_time(aes_256_cbc, Key, Iv, Plain, [{encrypt, true}, {padding, pkcs_padding}])].

%% A packet that cannot be deciphered is passed over.
decipher(Packet, none) ->
    Packet;
decipher(<<Iv:16/binary, Body/binary>>, Key) when Body =/= <<>> ->
    Whole = binary:part(Body, 0, byte_size(Body) div 16 * 16),
    Plain = crypto:crypto_one_time(aes_256_cbc, Key, Iv, Whole, [{encrypt, false}, {padding, none}]),
    unpad(Plain);
decipher(_, _) ->
    none.

unpad(<<>>) ->
    none;
unpad(Plain) ->
    Pad = binary:last(Plain),
    Size = byte_size(Plain) - Pad,
    case Pad =< 16 andalso Size >= 0 andalso Plain of
        <<Text:Size/binary, Rest/binary>> ->
            case Rest =:= binary:copy(<<Pad>>, Pad) of
                true -> Text;
                false -> none
            end;
        _ ->
            none
    end.

heard(<<"heartbeat::", Term/binary>>) ->
    try binary_to_term(Term) of
        #{node := Node} = Map when is_atom(Node) ->
            Keys = [Key || Key <- lists:sort(maps:keys(Map)), Key =/= node],
            io:format("accept ~ts~ts~n", [Node, [io_lib:format(" ~tp", [Key]) || Key <- Keys]]);
        _ ->
            io:format("ignore~n")
    catch
        _:_ -> io:format("crash~n")
    end;
heard(_) ->
    io:format("ignore~n").
