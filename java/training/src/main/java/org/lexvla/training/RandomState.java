package org.lexvla.training;

import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.lexvla.lexical.Device;

/** The states of LibTorch's own random generators, from which dropout draws, as tensors by name. */
final class RandomState {
    private static final String PREFIX = "generator.";

    private RandomState() {}

    /** The states of the generator of the CPU and of that of a device. */
    static Map<String, Tensor> of(Device device) {
        Map<String, Tensor> states = new LinkedHashMap<>();
        generators(device).forEach((name, generator) -> states.put(PREFIX + name, generator.get_state()));
        return states;
    }

    /** Of states that are a row for each process those of one; none for a process that there was not. */
    static Map<String, Tensor> ofProcess(int rank, Map<String, Tensor> all) {
        Map<String, Tensor> states = new LinkedHashMap<>();
        all.forEach((name, rows) -> {
            if (name.startsWith(PREFIX) && rank < rows.size(0)) {
                states.put(name, rows.narrow(0, rank, 1).view(-1));
            }
        });
        return states;
    }

    /** Sets them again. */
    static void restore(Device device, Map<String, Tensor> states) {
        generators(device).forEach((name, generator) -> {
            Tensor state = states.get(PREFIX + name);
            if (state != null) {
                // On the CPU wherever its generator is; and a copy, since LibTorch reads it as if it lay at a multiple
                // of 16, which
                // bytes in a mapped file need not.
                generator.set_state(state.cpu().clone());
            }
        });
    }

    private static Map<String, Generator> generators(Device device) {
        Map<String, Generator> generators = new LinkedHashMap<>();
        generators.put("cpu", generator(torch.DeviceType.CPU, -1));
        if (!device.isCpu()) {
            generators.put("cuda", generator(torch.DeviceType.CUDA, device.index()));
        }
        return generators;
    }

    private static Generator generator(torch.DeviceType type, int index) {
        return torch.globalContext()
                .defaultGenerator(
                        index < 0
                                ? new org.bytedeco.pytorch.Device(type)
                                : new org.bytedeco.pytorch.Device(type, (byte) index));
    }
}
