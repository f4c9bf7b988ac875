-- Call a function on every node that a source finds, as rpc:multicall does, and print a node and its result a line: `make lib`, then
-- luajit examples/bindings/luajit/call.lua me@127.0.0.1 COOKIE epmd:127.0.0.1 erlang node
package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local loaded, cluster = pcall(require, "cluster")

local function fail(sentence, status)
    io.stderr:write("call: ", tostring(sentence), "\n")
    os.exit(status, true)
end

if not loaded then
    fail(cluster, 3)
end
if #arg < 5 or #arg > 6 then
    fail("say who you are: call.lua NAME@HOST COOKIE URL MODULE FUNCTION ['[ARGUMENTS]']", 2)
end
local h, me, cookie, url = cluster.h, arg[1], arg[2], arg[3]

local function try(value, sentence)
    return value or fail(sentence, 2)
end

local c = try(cluster.create({node = me, cookie = cookie}))
local waiting, pending, answered, lost = {}, 0, false, 0
try(cluster.term(arg[6] or "[]"))
try(c:discover(url))
repeat
    for e in c:events() do
        if e.type == h.JOIN and e.member.name ~= me then
            waiting[try(c:call(e.member.name, arg[4], arg[5], arg[6]))] = e.member.name
            pending = pending + 1
        elseif e.type == h.REPLY then
            print(waiting[e.request] .. " " .. (e.term or e.text))
            pending = pending - 1
            lost = lost + (e.error ~= 0 and 1 or 0)
        elseif e.type == h.SOURCE then -- behind the JOINs of its round
            answered = true
            if e.error ~= 0 then
                fail(e.text, 3)
            end
        end
    end
until answered and pending == 0 or not c:poll()
c:close()
os.exit(lost == 0 and 0 or 1, true)
