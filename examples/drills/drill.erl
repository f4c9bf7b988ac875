%% What Erlang nodes do in the drills.
-module(drill).
-export([worker/0, work/1, load/2, svc/1]).

%% Drill 2: says which keys come.
worker() ->
    spawn(fun() -> register(worker, self()), told() end).

told() ->
    receive {work, Key} -> io:format("~p: ~s~n", [node(), Key]) end,
    told().

%% Drill 3: a job of 20 ms.
work(Key) ->
    timer:sleep(20),
    erlang:phash2(Key).

%% Drill 4: for so many seconds a heartbeat ten times a second, and each second a burst.
load(Node, Seconds) ->
    spawn(fun() ->
        [begin
            N rem 10 =:= 0 andalso [{load, Node} ! {presence, binary:copy(<<"p">>, 5000)} || _ <- lists:seq(1, 4)],
            {load, Node} ! {heartbeat, N},
            timer:sleep(100)
         end || N <- lists:seq(1, 10 * Seconds)]
    end).

%% Drill 6: one process in the whole cluster is {svc, Key}; the others wait for its end to take its place.
svc(Key) ->
    spawn(fun() -> candidate({svc, Key}) end).

candidate(Name) ->
    case global:register_name(Name, self()) of
        yes ->
            io:format("~p is at ~p~n", [Name, node()]),
            serve();
        no ->
            case global:whereis_name(Name) of
                undefined -> ok;
                Pid -> Ref = monitor(process, Pid), receive {'DOWN', Ref, _, _, _} -> ok end
            end,
            candidate(Name)
    end.

serve() ->
    receive {From, {hello, N}} -> From ! {hello_from, node(), N} end,
    serve().
