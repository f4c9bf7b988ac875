# What libcluster's gossip does on the wire, as Elixir writes it:
#     elixir libcluster_gossip.exs GROUP PORT INTERFACE SECRET NAME
# It says NAME every 100 ms and prints, for each packet, `accept NAME KEY...` where a libcluster node would connect to NAME,
# `ignore` where it would pass it over, and `crash` where its process would end. SECRET - is none; NAME - only listens.

defmodule Gossip do
  @prefix "heartbeat::"

  def run([group, port, interface, secret, name]) do
    {:ok, to} = group |> to_charlist() |> :inet.parse_ipv4_address()
    {:ok, via} = interface |> to_charlist() |> :inet.parse_ipv4_address()
    port = String.to_integer(port)

    {:ok, socket} =
      :gen_udp.open(port, [
        :binary,
        active: true,
        ip: {0, 0, 0, 0},
        reuseaddr: true,
        multicast_if: via,
        multicast_ttl: 0,
        multicast_loop: true,
        add_membership: {to, via}
      ])

    key = if secret != "-", do: :crypto.hash(:sha256, secret)
    IO.puts("up")
    send(self(), :say)
    loop(%{socket: socket, to: to, port: port, key: key, name: name})
  end

  defp loop(state) do
    receive do
      :say ->
        unless state.name == "-" do
          plain = @prefix <> :erlang.term_to_binary(%{node: String.to_atom(state.name)})
          :ok = :gen_udp.send(state.socket, state.to, state.port, encipher(plain, state.key))
          Process.send_after(self(), :say, 100)
        end

      {:udp, _socket, _address, _port, packet} ->
        packet |> decipher(state.key) |> heard()
    end

    loop(state)
  end

  defp encipher(plain, nil), do: plain

  defp encipher(plain, key) do
    iv = :crypto.strong_rand_bytes(16)
    iv <> :crypto.crypto_one_time(:aes_256_cbc, key, iv, plain, encrypt: true, padding: :pkcs_padding)
  end

  defp decipher(packet, nil), do: packet

  defp decipher(<<iv::binary-size(16), body::binary>>, key) when rem(byte_size(body), 16) == 0 and body != "" do
    plain = :crypto.crypto_one_time(:aes_256_cbc, key, iv, body, encrypt: false, padding: :none)
    pad = :binary.last(plain)
    size = byte_size(plain) - pad

    if pad in 1..16 and String.ends_with?(plain, :binary.copy(<<pad>>, pad)), do: binary_part(plain, 0, size)
  end

  defp decipher(_packet, _key), do: nil

  defp heard(@prefix <> term) do
    case :erlang.binary_to_term(term) do
      %{node: node} = map when is_atom(node) ->
        keys = map |> Map.delete(:node) |> Map.keys() |> Enum.sort()
        IO.puts(Enum.join(["accept #{node}" | Enum.map(keys, &inspect/1)], " "))

      _ ->
        IO.puts("ignore")
    end
  rescue
    ArgumentError -> IO.puts("crash")
  end

  defp heard(_), do: IO.puts("ignore")
end

Gossip.run(System.argv())
