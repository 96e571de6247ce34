package org.lexvla.training;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.Backend;
import org.bytedeco.pytorch.GlooDeviceVector;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.PrefixStore;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.TCPStore;
import org.bytedeco.pytorch.TCPStoreOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.Work;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.nccl.ProcessGroupNCCL;
import org.lexvla.lexical.Device;

/**
 * The processes that make the steps of a run together, each with its part of every batch. They meet at an address, as those of
 * {@code torchrun} do, and talk through Gloo; tensors on a GPU through NCCL (written to its interface, never run).
 *
 * <p>Every process calls the same methods in the same order. When one ends, the next call of each other fails with an error that
 * says so.
 */
public final class Processes implements AutoCloseable {
    /** After which a process that does not come, or does not answer, is given up. */
    private static final long MEETING_MILLIS = 300_000;

    private static final long ANSWER_MILLIS = 1_800_000;

    /** Numbers that are sent together, 25 MB of float32: a message costs the same milliseconds whatever is in it. */
    private static final long TOGETHER = 6_250_000;

    private final Part part;
    private final Store store;
    private final Backend host;
    private final Backend device;

    private Processes(Part part, Store store, Backend host, Backend device) {
        this.part = part;
        this.store = store;
        this.host = host;
        this.device = device;
    }

    /** A run of one process. */
    public static Processes alone() {
        return new Processes(Part.WHOLE, null, null, null);
    }

    /**
     * Meets the others.
     *
     * @param environment {@code WORLD_SIZE}, {@code RANK}, {@code MASTER_ADDR} and {@code MASTER_PORT}, as torchrun sets them; without
     *                    {@code WORLD_SIZE} the process is alone
     * @param device      where the tensors of this process are
     * @throws IllegalArgumentException if one of them is missing or no number
     * @throws IllegalStateException    if the others do not come
     */
    @SuppressWarnings("try")
    public static Processes meet(Map<String, String> environment, Device device) {
        if (!environment.containsKey("WORLD_SIZE")) {
            return alone();
        }
        int size = number(environment, "WORLD_SIZE");
        Part part = new Part(number(environment, "RANK"), size);
        if (size == 1) {
            return alone();
        }
        String address = required(environment, "MASTER_ADDR");
        int port = number(environment, "MASTER_PORT");
        try (PointerScope scope = new PointerScope()) {
            TCPStoreOptions options = new TCPStoreOptions()
                    .port((short) port)
                    .isServer(part.rank() == 0)
                    .waitWorkers(false)
                    .timeout(new Milliseconds(MEETING_MILLIS));
            Store store = new TCPStore(address, options);
            Backend host = gloo(store, part, ownAddress(address, port));
            Backend fast = device.isCpu()
                    ? host
                    : new ProcessGroupNCCL(new PrefixStore("nccl", store), part.rank(), part.of());
            return new Processes(
                    part,
                    store.retainReference(),
                    host.retainReference(),
                    fast == host ? host : fast.retainReference());
        } catch (RuntimeException e) {
            throw new IllegalStateException(
                    "process " + part.rank() + " of " + size + " did not meet the others at " + address + ":" + port
                            + ": " + first(e),
                    e);
        }
    }

    private static Backend gloo(Store store, Part part, String ownAddress) {
        ProcessGroupGloo.Options options = ProcessGroupGloo.Options.create(new Milliseconds(ANSWER_MILLIS));
        options.devices(new GlooDeviceVector(ProcessGroupGloo.createDeviceForHostname(ownAddress)));
        options.threads(2);
        return new ProcessGroupGloo(new PrefixStore("gloo", store), part.rank(), part.of(), options);
    }

    /** That from which this machine reaches the meeting: the name of a machine need not lead to one that others reach. */
    private static String ownAddress(String address, int port) {
        try (DatagramSocket socket = new DatagramSocket()) {
            // Sends nothing: it only chooses the way.
            socket.connect(new InetSocketAddress(address, port));
            return socket.getLocalAddress().getHostAddress();
        } catch (IOException e) {
            throw new IllegalStateException("no way to " + address, e);
        }
    }

    private static String required(Map<String, String> environment, String name) {
        String value = environment.get(name);
        if (value == null || value.isBlank()) {
            throw new IllegalArgumentException("WORLD_SIZE is set but " + name
                    + " is not: start the processes with --processes or torchrun, or set WORLD_SIZE, RANK, MASTER_ADDR and"
                    + " MASTER_PORT for each");
        }
        return value;
    }

    private static int number(Map<String, String> environment, String name) {
        String value = required(environment, name);
        try {
            return Integer.parseInt(value);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(name + " is \"" + value + "\", must be a whole number", e);
        }
    }

    /** Which process this is, from 0. */
    public int rank() {
        return part.rank();
    }

    /** How many there are. */
    public int size() {
        return part.of();
    }

    /** Whether this one speaks and writes for all. */
    public boolean isFirst() {
        return rank() == 0;
    }

    Part part() {
        return part;
    }

    /** The rows of all, in the order of the processes: [n,…] becomes [size·n,…]. No graph; the caller's scope's. */
    Tensor gather(Tensor rows) {
        if (size() == 1) {
            return rows;
        }
        long[] shape = new long[(int) rows.dim()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = rows.size(i) * (i == 0 ? size() : 1);
        }
        Tensor plain = rows.detach().contiguous();
        Tensor all = torch.empty(shape, plain.options(), null);
        await(() -> backend(plain)._allgather_base(all, plain));
        return all;
    }

    /** Replaces each tensor by its sum over all processes. They are contiguous, of one type and on one device. */
    @SuppressWarnings("try")
    void sum(Collection<Tensor> tensors) {
        if (size() == 1) {
            return;
        }
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            List<Tensor> together = new ArrayList<>();
            long numbers = 0;
            for (Tensor tensor : tensors) {
                if (numbers + tensor.numel() > TOGETHER) {
                    sumTogether(together);
                    together.clear();
                    numbers = 0;
                }
                together.add(tensor);
                numbers += tensor.numel();
            }
            sumTogether(together);
        }
    }

    @SuppressWarnings("try")
    private void sumTogether(List<Tensor> tensors) {
        if (tensors.size() == 1) {
            Tensor only = tensors.get(0);
            await(() -> backend(only).allreduce(new TensorVector(only)));
        } else if (!tensors.isEmpty()) {
            try (PointerScope scope = new PointerScope()) {
                TensorVector parts = new TensorVector();
                tensors.forEach(tensor -> parts.push_back(tensor.reshape(-1)));
                Tensor all = torch.cat(parts);
                await(() -> backend(all).allreduce(new TensorVector(all)));
                long from = 0;
                for (Tensor tensor : tensors) {
                    tensor.copy_(all.narrow(0, from, tensor.numel()).view_as(tensor));
                    from += tensor.numel();
                }
            }
        }
    }

    /** Replaces each tensor by that of the first process. */
    @SuppressWarnings("try")
    void share(Collection<Tensor> tensors) {
        if (size() == 1) {
            return;
        }
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGraph = new NoGradGuard()) {
            for (Tensor tensor : tensors) {
                await(() -> backend(tensor).broadcast(new TensorVector(tensor.detach())));
            }
        }
    }

    /** Whether something is so in any of the processes. */
    @SuppressWarnings("try")
    boolean any(boolean here) {
        if (size() == 1) {
            return here;
        }
        try (PointerScope scope = new PointerScope()) {
            Tensor count = HostTensor.of(new float[] {here ? 1 : 0}, 1);
            sum(List.of(count));
            return count.item_double() > 0;
        }
    }

    /** Waits for all: what the first one wrote before is there for the others after. */
    public void await() {
        any(false);
    }

    /** What each process says, in their order. */
    @SuppressWarnings("try")
    public List<String> gather(String text) {
        if (size() == 1) {
            return List.of(text);
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        try (PointerScope scope = new PointerScope()) {
            long[] lengths = longs(gather(HostTensor.of(new long[] {bytes.length}, 1)));
            long most = 1;
            for (long length : lengths) {
                most = Math.max(most, length);
            }
            long[] padded = new long[(int) most];
            for (int i = 0; i < bytes.length; i++) {
                padded[i] = bytes[i];
            }
            long[] all = longs(gather(HostTensor.of(padded, 1, padded.length)));
            List<String> texts = new ArrayList<>();
            for (int process = 0; process < size(); process++) {
                byte[] own = new byte[(int) lengths[process]];
                for (int i = 0; i < own.length; i++) {
                    own[i] = (byte) all[process * padded.length + i];
                }
                texts.add(new String(own, StandardCharsets.UTF_8));
            }
            return texts;
        }
    }

    private static long[] longs(Tensor tensor) {
        long[] values = new long[Math.toIntExact(tensor.numel())];
        tensor.data_ptr_long().get(values);
        return values;
    }

    private Backend backend(Tensor tensor) {
        return tensor.is_cpu() ? host : device;
    }

    private void await(Supplier<Work> collective) {
        try (Work work = collective.get()) {
            work._wait();
        } catch (RuntimeException e) {
            throw new IllegalStateException(
                    "process " + rank() + " of " + size() + " lost another one: " + first(e)
                            + "; the run can be resumed from its last checkpoint",
                    e);
        }
    }

    /** LibTorch's messages go on with C++ frames. */
    private static String first(RuntimeException e) {
        return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    }

    @Override
    public void close() {
        if (size() > 1) {
            if (device != host) {
                // What is still under way waits for nobody: at the end of a run nothing is, and after a failure others
                // may be gone.
                device.abort();
                device.close();
            }
            host.close();
            store.close();
        }
    }
}
