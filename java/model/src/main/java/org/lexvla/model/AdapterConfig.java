package org.lexvla.model;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The shape of an {@link Adapter}.
 *
 * @param width     of the visual encoder's tokens, a multiple of {@code heads}
 * @param heads     of the self-attention
 * @param mlpHidden hidden width of both MLPs
 * @param outWidth  of the tokens it gives: the codebook's width
 */
public record AdapterConfig(int width, int heads, int mlpHidden, int outWidth) {
    private static final int HEAD_WIDTH = 64;

    public AdapterConfig {
        if (width < 1 || heads < 1 || mlpHidden < 1 || outWidth < 1) {
            throw new IllegalArgumentException("adapter of width " + width + ", heads " + heads + ", hidden "
                    + mlpHidden + ", out " + outWidth + ": all must be at least 1");
        }
        if (width % heads != 0) {
            throw new IllegalArgumentException(
                    "adapter width " + width + " is not a multiple of its " + heads + " heads: take a divisor");
        }
    }

    /**
     * The proportions of SPEC §4: heads of 64 (12 for width 768) or the next wider that divide the width, hidden width three
     * times the width.
     */
    public static AdapterConfig of(int width, int outWidth) {
        int heads = Math.max(1, width / HEAD_WIDTH);
        while (width % heads != 0) {
            heads--;
        }
        return new AdapterConfig(width, heads, 3 * width, outWidth);
    }

    /** Number of trained numbers: 17,111,040 for 768, 12, 2304, 4096. */
    public long parameterCount() {
        return shapes().values().stream().mapToLong(AdapterConfig::elements).sum();
    }

    private static long elements(long[] shape) {
        long product = 1;
        for (long size : shape) {
            product *= size;
        }
        return product;
    }

    /** Shapes of the parameters by name. */
    Map<String, long[]> shapes() {
        long d = width;
        long h = mlpHidden;
        Map<String, long[]> shapes = new LinkedHashMap<>();
        shapes.put("attention.norm.weight", new long[] {d});
        shapes.put("attention.norm.bias", new long[] {d});
        for (String part : new String[] {"query", "key", "value", "output"}) {
            shapes.put("attention." + part + ".weight", new long[] {d, d});
            shapes.put("attention." + part + ".bias", new long[] {d});
        }
        shapes.put("mlp1.norm.weight", new long[] {d});
        shapes.put("mlp1.norm.bias", new long[] {d});
        shapes.put("mlp1.in.weight", new long[] {h, d});
        shapes.put("mlp1.out.weight", new long[] {d, h});
        shapes.put("mlp2.in.weight", new long[] {h, d});
        shapes.put("mlp2.out.weight", new long[] {outWidth, h});
        return shapes;
    }
}
