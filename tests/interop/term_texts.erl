%% Random terms in the external format and as text, and what Erlang reads in a text.
%%! +pc unicode
%% escript term_texts.erl SEED COUNT: a term a line: `=` where all versions of OTP print it so, `-` where its maps are in no order,
%% else `~`; its bytes in hex; it as text.
%% escript term_texts.erl read: for lines of bytes in hex and a text: `same` if the text reads as the term, and is as Erlang prints
%% it where it prints it so; else what is wrong.
-module(term_texts).
-mode(compile).
-export([main/1]).

main(["read"]) ->
    io:setopts([{encoding, unicode}, binary]),
    judge();
main([Seed, Count]) ->
    io:setopts([{encoding, unicode}]),
    rand:seed(exsss, list_to_integer(Seed)),
    [line(term(below(5))) || _ <- lists:seq(1, list_to_integer(Count))],
    ok.

line(T) ->
    Mark = case {ordered(T), exact(T)} of {false, _} -> "-"; {true, false} -> "~~"; _ -> "=" end,
    Bytes = term_to_binary(T, [{minor_version, 2}]),
    io:format("~s\t~s\t~ts~n", [Mark, binary:encode_hex(Bytes), text(T)]).

%% Erlang's own ways to print it: as a value, or all lists and binaries as numbers.
text(T) ->
    case below(3) of
        0 -> io_lib:format("~tw", [T]);
        _ -> io_lib:format("~0tp", [T])
    end.

judge() ->
    case io:get_line("") of
        eof -> ok;
        Line ->
            [Hex, Text] = binary:split(string:trim(Line, trailing, "\n"), <<"\t">>),
            Term = binary_to_term(binary:decode_hex(Hex)),
            io:format("~ts~n", [verdict(Term, unicode:characters_to_list(Text))]),
            judge()
    end.

verdict(Term, Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    case erl_parse:parse_term(Tokens) of
        {ok, Term} ->
            %% 0.0 and -0.0 match each other, in a term too
            {ok, Read} = erl_parse:parse_term(Tokens),
            case term_to_binary(Read) =:= term_to_binary(Term) of
                true -> case exact(Term) andalso lists:flatten(io_lib:format("~0tp", [Term])) =/= Text of
                            true -> io_lib:format("Erlang prints ~0tp", [Term]);
                            false -> "same"
                        end;
                false -> io_lib:format("reads as ~tw", [Read])
            end;
        Other -> io_lib:format("~0tp", [Other])
    end.

%% Is it printed as by ~0tp? Not where versions of OTP differ, or the library has its own form: large integers; binaries of
%% Latin-1; large maps.
exact(T) when is_integer(T) -> abs(T) < 1 bsl 4096;
exact(T) when is_binary(T) -> [B || <<B>> <= T, B > 127] =:= [] orelse is_list(unicode:characters_to_list(T));
exact(T) when is_atom(T) -> not lists:member(T, ['maybe', 'else']);
exact([H | T]) -> exact(H) andalso exact(T);
exact(T) when is_tuple(T) -> exact(tuple_to_list(T));
exact(T) when is_map(T) -> ordered(T) andalso exact(maps:to_list(T));
exact(_) -> true.

ordered([H | T]) -> ordered(H) andalso ordered(T);
ordered(T) when is_tuple(T) -> ordered(tuple_to_list(T));
ordered(T) when is_map(T) -> map_size(T) =< 32 andalso ordered(maps:to_list(T));
ordered(_) -> true.

below(N) -> rand:uniform(N) - 1.

list_of(N, F) -> [F() || _ <- lists:seq(1, below(N))].

term(0) ->
    case below(14) of
        0 -> below(300) - 20;
        1 -> near(1 bsl element(rand:uniform(6), {27, 28, 31, 32, 59, 63}));
        2 -> near(1 bsl below(4200));
        3 -> binary(40);
        4 -> <<(binary(20))/binary, (below(128)):(rand:uniform(7))>>;
        5 -> list_to_atom(list_of(30, fun() -> $a + below(26) end));
        6 -> list_to_atom(list_of(12, fun() -> character() end));
        7 -> element(rand:uniform(6), {0.0, -0.0, 1.0e308, 5.0e-324, -2.2250738585072014e-308, 0.1});
        8 -> real();
        9 -> [];
        10 -> bytes(40);
        11 -> element(rand:uniform(9), {true, nil, '', 'if', 'and', 'fun', 'a@b.c', 'maybe', fun lists:map/2});
        12 -> list_of(12, fun() -> character() end);
        13 -> unicode:characters_to_binary(list_of(12, fun() -> character() end))
    end;
term(Depth) ->
    Next = fun() -> term(below(Depth)) end,
    case below(6) of
        0 -> list_to_tuple(list_of(6, Next));
        1 -> list_of(6, Next);
        2 -> bytes(6) ++ list_of(3, Next) ++ bytes(6);
        3 -> [Next() | Next()];
        4 -> maps:from_list(list_of(5, fun() -> {Next(), Next()} end));
        5 -> maps:from_list(list_of(60, fun() -> {below(1000), term(0)} end))
    end.

near(N) -> (N + below(5) - 2) * element(rand:uniform(2), {1, -1}).

bytes(N) -> list_of(N, fun() -> below(256) end).

binary(N) -> list_to_binary(bytes(N)).

%% Also quotes, escapes, controls, and what is beyond 16 bits.
character() ->
    element(rand:uniform(8), {$A + below(26), $a + below(26), below(128), 16#80 + below(128), 16#100 + below(16#700), 16#4e00 + below(100),
                              16#1f600 + below(64), element(rand:uniform(6), {$', $", $\\, $\n, $\e, $\d})}).

real() ->
    case below(3) of
        0 -> rand:uniform() * math:pow(10, below(40) - 20);
        1 -> below(1000000) / math:pow(10, below(8));
        2 -> any_real()
    end.

any_real() ->
    case <<(below(1 bsl 64)):64>> of
        <<F/float>> -> F;
        _ -> any_real()
    end.
