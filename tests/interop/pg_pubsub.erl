%% What Phoenix.PubSub's adapter does on the wire, on OTP's own pg: a scope of its name, a worker for each of the pool in a group of its
%% own, broadcasts to all members of one group on other nodes. The subscriber prints what comes.
-module(pg_pubsub).
-export([start/1, stop/0, broadcast/3]).

-define(SCOPE, 'Elixir.Phoenix.PubSub').
-define(ADAPTER, 'Elixir.MyApp.PubSub.Adapter').

group(1) -> ?ADAPTER;
group(N) -> list_to_atom(atom_to_list(?ADAPTER) ++ "_" ++ integer_to_list(N)).

start(Pool) ->
    Self = self(),
    spawn(fun() ->
        {ok, _} = pg:start_link(?SCOPE),
        [spawn_link(fun() -> worker(group(N)), Self ! ready, listen() end) || N <- lists:seq(1, Pool)],
        timer:sleep(infinity)
    end),
    [receive ready -> ok end || _ <- lists:seq(1, Pool)].

%% As by a crash: the workers go with it.
stop() ->
    exit(whereis(?SCOPE), kill),
    gone().

gone() ->
    case whereis(?ADAPTER) of
        undefined -> ok;
        _ -> timer:sleep(10), gone()
    end.

worker(Group) ->
    true = register(Group, self()),
    ok = pg:join(?SCOPE, Group, self()).

listen() ->
    receive
        {forward_to_local, Topic, Message, ?SCOPE} -> io:format("= ~0p ~0p~n", [Topic, Message]);
        Other -> io:format("= wrong ~0p~n", [Other])
    end,
    listen().

broadcast(N, Topic, Message) ->
    [Pid ! {forward_to_local, Topic, Message, ?SCOPE} || Pid <- pg:get_members(?SCOPE, group(N)), node(Pid) =/= node()],
    ok.
