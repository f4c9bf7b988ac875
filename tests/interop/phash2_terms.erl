%% escript phash2_terms.erl SEED COUNT: random terms, a line each: how phash2 answers in four ranges, or `refused`, then the term
%% in the external format of each version, in hex.
-module(phash2_terms).
-export([main/1]).

main([Seed, Count]) ->
    rand:seed(exsss, list_to_integer(Seed)),
    Refused = [self(), make_ref(), hd(erlang:ports()), fun() -> ok end, fun lists:map/2],
    [line("refused", [T]) || R <- Refused, T <- [R, {1, R}, [1, 2 | R], [R], #{R => 1}, #{1 => R}]],
    [answered(term(below(5))) || _ <- lists:seq(1, list_to_integer(Count))],
    ok.

answered(T) ->
    Ranges = [erlang:phash2(T) | [erlang:phash2(T, R) || R <- [1 bsl 32, 1 bsl 32 - 1, 16]]],
    line(string:join([integer_to_list(N) || N <- Ranges], " "), [T]).

line(Answer, [T]) ->
    Forms = lists:usort([term_to_binary(T, [{minor_version, V}]) || V <- [1, 2]]),
    io:format("~s ~s~n", [Answer, string:join([hex(F) || F <- Forms], " ")]).

hex(Binary) -> binary_to_list(binary:encode_hex(Binary)).

below(N) -> rand:uniform(N) - 1.

list_of(N, F) -> [F() || _ <- lists:seq(1, below(N))].

term(0) ->
    case below(12) of
        0 -> below(300) - 20;
        1 -> near(1 bsl element(rand:uniform(6), {27, 28, 31, 32, 59, 63}));
        2 -> near(1 bsl below(600));
        3 -> binary(40);
        4 -> <<(binary(20))/binary, (below(128)):(rand:uniform(7))>>;
        5 -> list_to_atom(list_of(30, fun() -> $a + below(26) end));
        6 -> list_to_atom(list_of(12, fun() -> character() end));
        7 -> element(rand:uniform(6), {0.0, -0.0, 1.0e308, 5.0e-324, -2.2250738585072014e-308, 0.1});
        8 -> real();
        9 -> [];
        10 -> bytes(40);
        11 -> element(rand:uniform(5), {true, false, nil, undefined, ''})
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

character() -> element(rand:uniform(4), {$A, 16#80 + below(128), 16#100 + below(16#700), 16#4e00 + below(100)}).

real() ->
    case <<(below(1 bsl 64)):64>> of
        <<F/float>> -> F;
        _ -> real()
    end.
