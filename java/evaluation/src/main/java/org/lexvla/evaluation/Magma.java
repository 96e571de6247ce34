package org.lexvla.evaluation;

import java.awt.Color;

/** The magma colour scale of matplotlib, interpolated between nine of its stops. */
final class Magma {
    private static final int[] STOPS = {
        0x000004, 0x1D1147, 0x51127C, 0x832681, 0xB73779, 0xE75263, 0xFC8961, 0xFEC488, 0xFCFDBF
    };

    private Magma() {}

    /**
     * The colour at a position.
     *
     * @param at from 0 (black) over violet and red to 1 (pale yellow); held inside
     */
    static Color at(double at) {
        double position = Math.max(0, Math.min(1, at)) * (STOPS.length - 1);
        int left = Math.min((int) position, STOPS.length - 2);
        return mix(new Color(STOPS[left]), new Color(STOPS[left + 1]), position - left);
    }

    /** Of two colours the one that lies {@code share} of the way from the first to the second. */
    static Color mix(Color first, Color second, double share) {
        return new Color(
                between(first.getRed(), second.getRed(), share),
                between(first.getGreen(), second.getGreen(), share),
                between(first.getBlue(), second.getBlue(), share));
    }

    private static int between(int from, int to, double share) {
        return (int) Math.round(from + (to - from) * share);
    }

    static String hex(Color colour) {
        return String.format("#%06x", colour.getRGB() & 0xFFFFFF);
    }
}
